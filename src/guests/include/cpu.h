/* What C cannot say about the processor (lib/cpu.asm). */
#ifndef CPU_H
#define CPU_H

#include <stdint.h>

/* Store `value`, return what was there before, as one indivisible step. */
uint32_t atomic_exchange(volatile uint32_t *where, uint32_t value);

/* If *where is `expected`, store `value`. Returns what was there. */
uint16_t atomic_compare_exchange16(volatile uint16_t *where, uint16_t expected, uint16_t value);

void atomic_set_bit(volatile uint32_t *words, uint32_t bit);
void atomic_clear_bit(volatile uint32_t *words, uint32_t bit);
int test_bit(const volatile uint32_t *words, uint32_t bit);

/* Index of the lowest set bit; `word` must not be 0. */
uint32_t lowest_bit(uint32_t word);

/* Nothing after it may overtake anything before it: stores become visible, then loads are made. */
void memory_barrier(void);

uint64_t read_tsc(void);

/* (a * b) >> 32, without losing the upper bits of the product. */
uint64_t multiply_shift32(uint64_t a, uint32_t b);

/* *n /= divisor; returns the remainder. */
uint32_t divide(uint64_t *n, uint32_t divisor);

#endif
