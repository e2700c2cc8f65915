/*
 * The three names of a page of memory.
 *
 *   va    where the kernel sees it
 *   pfn   its number in the memory the domain believes it has, 0 .. nr_pages-1
 *   mfn   the machine frame it really is; page tables speak only this language
 */
#ifndef MEMORY_H
#define MEMORY_H

#include "xen/abi.h"

/* Pseudo-physical page 0 is mapped here; must agree with lib/start.asm. */
#define VIRT_BASE 0xC0000000u

/* The layout of a page of the kernel's own. */
#define PAGE_ALIGNED __attribute__((aligned(4096)))

/* Flags that Xen's builder gave to every page of ours. */
#define PTE_KERNEL (PTE_P | PTE_RW | PTE_A | PTE_D)

extern const struct start_info *start_info;

static inline uint32_t va_of(const volatile void *pointer) { return (uint32_t)pointer; }
static inline uint32_t va_to_pfn(uint32_t va) { return (va - VIRT_BASE) >> PAGE_SHIFT; }
static inline uint32_t pfn_to_va(uint32_t pfn) { return VIRT_BASE + (pfn << PAGE_SHIFT); }

/* Our own table: pfn to mfn. The domain builder made it, the kernel keeps it. */
static inline uint32_t pfn_to_mfn(uint32_t pfn) { return ((const volatile uint32_t *)start_info->mfn_list)[pfn]; }

/* Xen's table: mfn to pfn, for the whole machine, read-only at the start of the hypervisor's area. */
static inline uint32_t mfn_to_pfn(uint32_t mfn) { return ((const volatile uint32_t *)HYPERVISOR_VIRT_START)[mfn]; }

static inline uint32_t va_to_mfn(uint32_t va) { return pfn_to_mfn(va_to_pfn(va)); }
static inline void *mfn_to_pointer(uint32_t mfn) { return (void *)pfn_to_va(mfn_to_pfn(mfn)); }
static inline pte_t make_pte(uint32_t mfn, uint64_t flags) { return ((uint64_t)mfn << PAGE_SHIFT) | flags; }

/* Put the frame `mfn` behind the page `va`. Returns 0 or Xen's error. */
int map_frame(uint32_t va, uint32_t mfn, uint64_t flags);

/* Give our own page at `va` other flags, or its own frame back. */
int remap_page(uint32_t va, uint64_t flags);

/* The entry that maps `va`, as a pointer into the (read-only) page table. NULL if there is no such table. */
const volatile pte_t *find_pte(uint32_t va);

/* Where that entry lies in machine memory: the address mmu_update wants. */
uint64_t pte_maddr(uint32_t va);

/* The value `key=value` or the mere word `key` on the command line: a pointer behind it, or NULL. */
const char *command_line(const char *key);

/* The page of struct shared_info, mapped on first use. */
extern volatile struct shared_info *shared_info;
void map_shared_info(void);

#endif
