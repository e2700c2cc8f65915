/* Calls: deep recursion, functions behind pointers, and a small machine whose every instruction is an indirect call. */
#include "bench.h"

enum { STEPS = 400000, CELLS = 16, PROGRAM = 251 };
const char bench_name[] = "calls";

struct machine {
    uint32_t accumulator, cells[CELLS];
};
typedef void (*operation)(struct machine *machine, uint32_t operand);

static uint32_t __attribute__((noinline)) fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint32_t __attribute__((noinline)) ackermann(uint32_t m, uint32_t n)
{
    if (m == 0)
        return n + 1;
    if (n == 0)
        return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}

static void op_load(struct machine *machine, uint32_t operand)
{
    machine->accumulator = machine->cells[operand];
}
static void op_store(struct machine *machine, uint32_t operand)
{
    machine->cells[operand] = machine->accumulator;
}
static void op_add(struct machine *machine, uint32_t operand)
{
    machine->accumulator += machine->cells[operand];
}
static void op_exclusive(struct machine *machine, uint32_t operand)
{
    machine->accumulator ^= machine->cells[operand] >> 3;
}
static void op_rotate(struct machine *machine, uint32_t operand)
{
    machine->accumulator = machine->accumulator << operand | machine->accumulator >> (31 & (32 - operand));
}
static void op_constant(struct machine *machine, uint32_t operand)
{
    machine->accumulator = machine->accumulator * 5 + operand;
}

static const operation operations[] = {op_load, op_add, op_store, op_exclusive, op_constant, op_rotate, op_add, op_store};
static struct {
    operation execute;
    uint32_t operand;
} program[PROGRAM];

void bench_prepare(void)
{
    uint32_t state = 0x6C078965u;
    for (uint32_t i = 0; i < PROGRAM; i++) {
        uint32_t r = bench_random(&state);
        program[i].execute = operations[r % 8];
        program[i].operand = (r >> 8) % CELLS;
    }
}

uint32_t bench_iteration(void)
{
    struct machine machine = {1, {0}};
    for (uint32_t i = 0; i < CELLS; i++)
        machine.cells[i] = i * 0x10001u;
    for (uint32_t i = 0, at = 0; i < STEPS; i++) {
        program[at].execute(&machine, program[at].operand);
        if (++at == PROGRAM)
            at = 0;
    }
    return bench_mix(bench_mix(machine.accumulator, fibonacci(24)), ackermann(2, 200));
}
