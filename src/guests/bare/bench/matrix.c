/* Product of two 128 x 128 integer matrices: IMUL, additions, loads in rows and in columns. */
#include "bench.h"

enum { SIDE = 128 };
static int32_t a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];
const char bench_name[] = "matrix";

void bench_prepare(void)
{
    uint32_t state = 0x9E3779B9u;
    for (uint32_t i = 0; i < SIDE; i++) {
        for (uint32_t j = 0; j < SIDE; j++) {
            a[i][j] = (int32_t)bench_random(&state) >> 8;
            b[i][j] = (int32_t)bench_random(&state) >> 8;
        }
    }
}

uint32_t bench_iteration(void)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < SIDE; i++) {
        for (uint32_t j = 0; j < SIDE; j++) {
            uint32_t value = 0;
            for (uint32_t k = 0; k < SIDE; k++)
                value += (uint32_t)a[i][k] * (uint32_t)b[k][j];
            c[i][j] = (int32_t)value;
        }
    }
    for (uint32_t i = 0; i < SIDE; i++)
        for (uint32_t j = 0; j < SIDE; j++)
            sum = bench_mix(sum, (uint32_t)c[i][j]);
    return sum;
}
