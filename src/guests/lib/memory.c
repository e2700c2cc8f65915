/* Looking into our own page tables, and asking Xen to change them. */
#include "hypercall.h"
#include "memory.h"
#include "print.h"
#include "string.h"

int map_frame(uint32_t va, uint32_t mfn, uint64_t flags) {
  return HYPERVISOR_update_va_mapping(va, make_pte(mfn, flags), UVMF_INVLPG);
}

int remap_page(uint32_t va, uint64_t flags) { return map_frame(va, va_to_mfn(va), flags); }

/* One step down: the table that an entry points to. Tables are pages of ours, so M2P knows where we see them. */
static const volatile pte_t *table_behind(pte_t entry) {
  return entry & PTE_P ? mfn_to_pointer((uint32_t)(entry >> PAGE_SHIFT)) : 0;
}

/* PAE cuts an address into 2 + 9 + 9 + 12 bits. */
const volatile pte_t *find_pte(uint32_t va) {
  const volatile pte_t *l3 = (const volatile pte_t *)start_info->pt_base;
  const volatile pte_t *l2 = table_behind(l3[va >> 30]);
  const volatile pte_t *l1 = l2 ? table_behind(l2[(va >> 21) & 511]) : 0;
  return l1 ? &l1[(va >> PAGE_SHIFT) & 511] : 0;
}

uint64_t pte_maddr(uint32_t va) {
  uint32_t entry = va_of(find_pte(va));
  return make_pte(va_to_mfn(entry), entry & ~PAGE_MASK);
}

const char *command_line(const char *key) {
  size_t length = strlen(key);
  for (const char *word = start_info->cmd_line; *word != 0;) {
    if (strncmp(word, key, length) == 0) {
      char next = word[length];
      if (next == '=') return word + length + 1;
      if (next == ' ' || next == 0) return word + length;
    }
    while (*word != 0 && *word != ' ') word++;
    while (*word == ' ') word++;
  }
  return 0;
}
