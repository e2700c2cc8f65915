/* String moves: REP MOVSD and STOSB over whole pages, searches, comparisons, a copy backwards, and loops that move bytes by hand. */
#include "bench.h"

enum { BYTES = 1 << 16, PAD = 64 };
static uint8_t from[BYTES + PAD], to[BYTES + PAD];
const char bench_name[] = "strings";

void copy_dwords(void *to, const void *from, uint32_t n);
void copy_bytes(void *to, const void *from, uint32_t n);
void copy_backward(void *to, const void *from, uint32_t n);
void fill_bytes(void *to, uint32_t byte, uint32_t n);
void fill_dwords(void *to, uint32_t value, uint32_t n);
uint32_t find_byte(const void *in, uint32_t byte, uint32_t n);
uint32_t same_bytes(const void *a, const void *b, uint32_t n);
uint32_t add_words(void *to, const void *from, uint32_t n);

void bench_prepare(void)
{
    uint32_t state = 0x1D872B41u;
    for (uint32_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)bench_random(&state) | 1;
}

static uint32_t digest(void)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < sizeof to; i += 61)
        sum = bench_mix(sum, to[i]);
    return sum;
}

static void copy_by_hand(uint8_t *target, const uint8_t *source, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        target[i] = source[i];
}

uint32_t bench_iteration(void)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 32; i++)
        copy_dwords(to + (i & 7) * 4, from + (i & 3) * 4, BYTES / 4);
    sum = bench_mix(sum, digest());
    for (uint32_t i = 0; i < 4; i++)
        copy_bytes(to + i, from + 3 * i, BYTES);
    sum = bench_mix(sum, digest());
    for (uint32_t i = 0; i < 4; i++)
        copy_backward(to + 4 * i + 4, to + 4 * i, BYTES / 8);
    sum = bench_mix(sum, digest());
    sum = bench_mix(sum, find_byte(from, 0, BYTES));
    sum = bench_mix(sum, find_byte(from, 0x80, BYTES));
    copy_dwords(to, from, BYTES / 4);
    to[BYTES - 5] ^= 0xFF;
    sum = bench_mix(sum, same_bytes(from, to, BYTES));
    sum = bench_mix(sum, add_words(to, from, BYTES / 4));
    copy_by_hand(to + 8, from, BYTES);
    sum = bench_mix(sum, digest());
    for (uint32_t i = 0; i < 8; i++) {
        fill_bytes(to + i, i, BYTES);
        fill_dwords(to + 8, i * 0x01020304u, BYTES / 4 - 4);
    }
    /* Short ones, as real programs have them: mostly set-up. */
    for (uint32_t i = 0; i < 20000; i++)
        copy_bytes(to + (i & 1023), from + (i & 511), i & 31);
    return bench_mix(sum, digest());
}
