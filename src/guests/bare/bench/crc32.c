/* CRC-32 of a mebibyte by table, and of 64 KiB bit by bit: dependent loads; shifts, carries and branches nobody predicts. */
#include "bench.h"

enum { BYTES = 1 << 20, BITWISE_BYTES = 1 << 16 };
static const uint32_t polynomial = 0xEDB88320u;
static uint8_t data[BYTES];
static uint32_t table[256];
const char bench_name[] = "crc32";

void bench_prepare(void)
{
    uint32_t state = 0x2545F491u;
    for (uint32_t i = 0; i < BYTES; i++)
        data[i] = (uint8_t)bench_random(&state);
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
        table[i] = crc;
    }
}

uint32_t bench_iteration(void)
{
    uint32_t crc = ~0u, slow = ~0u;
    for (uint32_t i = 0; i < BYTES; i++)
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xFF];
    for (uint32_t i = 0; i < BITWISE_BYTES; i++) {
        slow ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            slow = slow & 1 ? slow >> 1 ^ polynomial : slow >> 1;
    }
    return bench_mix(~crc, ~slow);
}
