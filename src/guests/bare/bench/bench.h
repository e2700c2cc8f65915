/*
 * A workload of the bench: a kernel that does one fixed piece of work over and over.
 *
 * Every iteration starts from the same data and returns the same checksum; whether it did is part of the verdict, so engines
 * of different speed may run different numbers of iterations and still be compared. On COM1:
 *
 *   BEGIN <name> <iterations>
 *   END <checksum>                 or: DIFFERS <checksum of the first> <of the one that differed>
 *
 * Whoever measures takes the time between the line feeds of the two lines. Command line: repeat=N iterations are timed after
 * warm=N that are not.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

extern const char bench_name[];

/* Once, before anything is timed. */
void bench_prepare(void);

/* One iteration: its checksum. */
uint32_t bench_iteration(void);

/* The next number of a fixed sequence (xorshift), from and to *state, which is never zero. */
static inline uint32_t bench_random(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

static inline uint32_t bench_mix(uint32_t sum, uint32_t value)
{
    return (sum << 5 | sum >> 27) ^ value;
}

#endif
