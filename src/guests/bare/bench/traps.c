/* Ring 3 to ring 0 and back: system calls through INT 0x80, breakpoints, a division by zero, a privileged instruction; segments reloaded on the way. */
#include "../lib/bare.h"
#include "bench.h"

enum { ROUNDS = 4000, DIVIDE = 0, BREAKPOINT = 3, PROTECTION = 13, CALL = 0x80 };
const char bench_name[] = "traps";
static uint32_t counters[4];

uint32_t run_user(uint32_t rounds);
void call_entry(void);
void breakpoint_entry(void);
void divide_entry(void);
void protection_entry(void);
uint32_t on_call(uint32_t number, uint32_t argument);

uint32_t on_call(uint32_t number, uint32_t argument)
{
    counters[number & 3]++;
    return counters[number & 3] * 31 + (argument >> number);
}

void bench_prepare(void)
{
    out8(0x21, 0xFF); /* no device interrupts: what is measured is what the program asks for */
    out8(0xA1, 0xFF);
    set_gate(DIVIDE, divide_entry, 0);
    set_gate(BREAKPOINT, breakpoint_entry, 3);
    set_gate(PROTECTION, protection_entry, 0);
    set_gate(CALL, call_entry, 3);
    set_task((uint32_t)kernel_stack_top - 16384); /* below what run_user's caller uses */
}

uint32_t bench_iteration(void)
{
    counters[1] = counters[2] = counters[3] = 0;
    return run_user(ROUNDS);
}
