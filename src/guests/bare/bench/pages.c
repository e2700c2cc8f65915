/*
 * Page-table churn with two-level paging: remap, INVLPG, touch; a new address space every so often; pages that arrive on demand
 * through the page-fault handler; read-only pages that become writable by fault.
 */
#include "../lib/bare.h"
#include "bench.h"

enum { PAGE = 4096, ENTRIES = 1024, PRESENT = 1, WRITABLE = 2, ACCESSED = 0x20, DIRTY = 0x40 };
enum { IDENTITY_TABLES = 4, POOL = 64, WINDOW_PAGES = 256, REMAPS = 16384, SPACES = 4, DEMAND = 512 };
#define WINDOW 0x40000000u
#define HEAP 0x40100000u

static uint32_t directory[SPACES][ENTRIES] __attribute__((aligned(4096)));
static uint32_t identity[IDENTITY_TABLES][ENTRIES] __attribute__((aligned(4096)));
static uint32_t window[ENTRIES] __attribute__((aligned(4096)));
static uint8_t pool[POOL][PAGE] __attribute__((aligned(4096)));
static uint32_t faults, fault_sum;
const char bench_name[] = "pages";

void page_fault_entry(void);
void on_page_fault(uint32_t vaddr, uint32_t code);

void on_page_fault(uint32_t vaddr, uint32_t code)
{
    uint32_t *entry = &window[(vaddr >> 12) % ENTRIES];
    faults++;
    fault_sum = bench_mix(fault_sum, code ^ (vaddr & 0xFFFFF));
    if (code & PRESENT)
        *entry |= WRITABLE;
    else
        *entry = (uint32_t)pool[(vaddr >> 12) % POOL] | PRESENT;
    invalidate(vaddr);
}

void bench_prepare(void)
{
    for (uint32_t i = 0; i < IDENTITY_TABLES * ENTRIES; i++)
        identity[i / ENTRIES][i % ENTRIES] = i * PAGE | PRESENT | WRITABLE;
    for (uint32_t space = 0; space < SPACES; space++) {
        for (uint32_t i = 0; i < IDENTITY_TABLES; i++)
            directory[space][i] = (uint32_t)identity[i] | PRESENT | WRITABLE;
        directory[space][WINDOW >> 22] = (uint32_t)window | PRESENT | WRITABLE;
    }
    set_gate(14, page_fault_entry, 0);
    write_cr3((uint32_t)directory[0]);
    enable_paging();
}

/* Every page of the window moves to another frame, is told to the processor, and is used. */
static uint32_t remap(void)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < REMAPS; i++) {
        uint32_t page = i % WINDOW_PAGES, frame = (i * 7 + i / WINDOW_PAGES) % POOL;
        uint32_t vaddr = WINDOW + page * PAGE;
        window[page] = (uint32_t)pool[frame] | PRESENT | WRITABLE;
        invalidate(vaddr);
        volatile uint32_t *word = (volatile uint32_t *)(vaddr + (i * 4) % PAGE);
        *word += i;
        sum = bench_mix(sum, *word);
        if (i % 64 == 63)
            write_cr3((uint32_t)directory[i / 64 % SPACES]);
        if (i % 1024 == 1023)
            sum = bench_mix(sum, window[page] & (ACCESSED | DIRTY));
    }
    return sum;
}

/* Nothing is mapped at first: a read brings the page in read-only, a write makes it writable. */
static uint32_t demand(void)
{
    uint32_t sum = 0, first = (HEAP >> 12) % ENTRIES;
    for (uint32_t i = 0; i < DEMAND; i++)
        window[first + i] = 0;
    write_cr3((uint32_t)directory[0]);
    for (uint32_t i = 0; i < DEMAND; i++) {
        volatile uint32_t *word = (volatile uint32_t *)(HEAP + i * PAGE + (i * 12) % PAGE);
        sum = bench_mix(sum, *word);
        *word = sum;
    }
    return sum;
}

/* Uses the mappings at a stride of a page: more pages than a processor remembers translations for. */
static uint32_t walk(void)
{
    uint32_t sum = 0;
    for (uint32_t round = 0; round < 64; round++)
        for (uint32_t page = 0; page < WINDOW_PAGES; page++)
            sum = bench_mix(sum, *(volatile uint32_t *)(WINDOW + page * PAGE + round * 8));
    return sum;
}

uint32_t bench_iteration(void)
{
    faults = fault_sum = 0;
    for (uint32_t i = 0; i < POOL; i++)
        memset(pool[i], 0, PAGE);
    uint32_t sum = remap();
    sum = bench_mix(sum, demand());
    sum = bench_mix(sum, walk());
    return bench_mix(bench_mix(sum, faults), fault_sum);
}
