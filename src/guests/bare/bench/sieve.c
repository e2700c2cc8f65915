/* Sieve of Eratosthenes over a mebibyte: byte stores at growing strides, short loops. */
#include "bench.h"

enum { LIMIT = 1 << 20 };
static uint8_t composite[LIMIT];
const char bench_name[] = "sieve";

void bench_prepare(void)
{
}

uint32_t bench_iteration(void)
{
    uint32_t count = 0, sum = 0;
    for (uint32_t i = 0; i < LIMIT; i++)
        composite[i] = 0;
    for (uint32_t i = 2; i < LIMIT; i++) {
        if (composite[i])
            continue;
        count++;
        sum = bench_mix(sum, i);
        if (i < 1024)
            for (uint32_t j = i * i; j < LIMIT; j += i)
                composite[j] = 1;
    }
    return bench_mix(sum, count);
}
