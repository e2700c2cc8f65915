/* The frame around a workload: see bench.h. */
#include "../lib/bare.h"
#include "bench.h"

enum { DIFFERENT = 1, NOT_MULTIBOOT = 2 };

uint32_t kernel_main(uint32_t magic, const struct multiboot_info *info)
{
    serial_start();
    if (magic != MULTIBOOT_BOOTED)
        return NOT_MULTIBOOT;
    uint32_t repeat = option(info, "repeat", 1), warm = option(info, "warm", 0);
    bench_prepare();
    uint32_t first = bench_iteration(), last = first;
    for (uint32_t i = 1; i < warm && last == first; i++)
        last = bench_iteration();
    print("BEGIN ");
    print(bench_name);
    print(" ");
    print_number(repeat);
    print("\n");
    for (uint32_t i = 0; i < repeat && last == first; i++)
        last = bench_iteration();
    print(last == first ? "END " : "DIFFERS ");
    print_hex(first);
    if (last != first) {
        print(" ");
        print_hex(last);
    }
    print("\n");
    return last == first ? 0 : DIFFERENT;
}
