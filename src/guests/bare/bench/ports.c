/* Port I/O: bytes to the POST port, registers that give back what was written (PIC mask, UART scratch), a counter latched and read. */
#include "../lib/bare.h"
#include "bench.h"

enum { POST = 0x80, PIC_MASK = 0x21, UART_SCRATCH = 0x3FF, PIT_COUNTER2 = 0x42, PIT_COMMAND = 0x43, NOBODY = 0x5F0 };
enum { ROUNDS = 10000, COUNTER2_LATCH = 0x80, COUNTER2_LOAD = 0xB4 };
const char bench_name[] = "ports";

void bench_prepare(void)
{
    out8(PIT_COMMAND, COUNTER2_LOAD);
    out8(PIT_COUNTER2, 0xFF);
    out8(PIT_COUNTER2, 0xFF);
}

uint32_t bench_iteration(void)
{
    uint32_t sum = 0, moved = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        out8(POST, i);
        out8(PIC_MASK, i & 0xFF);
        sum = bench_mix(sum, in8(PIC_MASK));
        out8(UART_SCRATCH, (i >> 3) & 0xFF);
        sum = bench_mix(sum, in8(UART_SCRATCH));
        if (i % 4 == 0) {
            out8(PIT_COMMAND, COUNTER2_LATCH);
            moved |= in8(PIT_COUNTER2);
            moved |= in8(PIT_COUNTER2) << 8;
        }
        if (i % 8 == 0)
            sum = bench_mix(sum, in8(NOBODY));
    }
    out8(PIC_MASK, 0xFF);
    return sum + (moved > 0xFFFF);
}
