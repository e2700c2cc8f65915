/* The program's address space: two levels of tables, frames from what memory is left, freed frames in a list. */
#include "shim.h"

enum { ENTRIES = 1024, PRESENT = 1, WRITABLE = 2, USER = 4, LARGE = 0x80, KERNEL_LARGE_PAGES = 16, LARGE_SHIFT = 22 };

static uint32_t directory[ENTRIES] __attribute__((aligned(4096)));
static uint32_t next_frame, last_frame, freed;

/* Free frames are linked through their first word. */
static uint32_t take_frame(void)
{
    uint32_t frame = freed;
    if (frame)
        freed = *(uint32_t *)frame;
    else if (next_frame < last_frame) {
        frame = next_frame;
        next_frame += PAGE;
    } else
        return 0;
    memset((void *)frame, 0, PAGE);
    return frame;
}

static uint32_t *entry_of(uint32_t vaddr, int make)
{
    uint32_t *pde = &directory[vaddr >> LARGE_SHIFT];
    if (!(*pde & PRESENT)) {
        uint32_t frame = make ? take_frame() : 0;
        if (!frame)
            return NULL;
        *pde = frame | PRESENT | WRITABLE | USER;
    }
    return (uint32_t *)(*pde & ~(uint32_t)(PAGE - 1)) + (vaddr >> 12) % ENTRIES;
}

void pages_start(uint32_t free, uint32_t end)
{
    next_frame = free;
    last_frame = end;
    for (uint32_t i = 0; i < KERNEL_LARGE_PAGES; i++)
        directory[i] = i << LARGE_SHIFT | PRESENT | WRITABLE | LARGE;
    enable_large_pages();
    write_cr3((uint32_t)directory);
    enable_paging();
}

uint32_t free_bytes(void)
{
    return last_frame - next_frame;
}

int map_pages(uint32_t vaddr, uint32_t bytes)
{
    for (uint32_t at = vaddr & ~(uint32_t)(PAGE - 1); at < vaddr + bytes; at += PAGE) {
        uint32_t *entry = entry_of(at, 1);
        if (!entry)
            return 0;
        if (*entry & PRESENT)
            continue;
        uint32_t frame = take_frame();
        if (!frame)
            return 0;
        *entry = frame | PRESENT | WRITABLE | USER;
        invalidate(at);
    }
    return 1;
}

void unmap_pages(uint32_t vaddr, uint32_t bytes)
{
    for (uint32_t at = vaddr; at < vaddr + bytes; at += PAGE) {
        uint32_t *entry = entry_of(at, 0);
        if (!entry || !(*entry & PRESENT))
            continue;
        uint32_t frame = *entry & ~(uint32_t)(PAGE - 1);
        *entry = 0;
        invalidate(at);
        *(uint32_t *)frame = freed;
        freed = frame;
    }
}

void protect_pages(uint32_t vaddr, uint32_t bytes, int writable)
{
    for (uint32_t at = vaddr & ~(uint32_t)(PAGE - 1); at < vaddr + bytes; at += PAGE) {
        uint32_t *entry = entry_of(at, 0);
        if (!entry || !(*entry & PRESENT))
            continue;
        *entry = writable ? *entry | WRITABLE : *entry & ~(uint32_t)WRITABLE;
        invalidate(at);
    }
}
