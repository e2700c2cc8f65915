/*
 * A second address space, the way boot loaders and kernels make one.
 *
 * - Its top table needs an L2 of its own for the last GiB: Xen puts its entries in
 *   there, and such a table belongs to one L3 only. L1s can be shared.
 * - NEW_BASEPTR changes to it and MOV to CR3 changes back; CR3 reads as the frame
 *   in use. What is mapped only there is seen only there.
 * - The old tables, unpinned, lose their types once nobody runs on them: their
 *   pages can be made writable, and read-only again for the way back.
 */
#include "harness.h"
#include "xen/memory.h"

uint32_t read_cr3(void);
void write_cr3(uint32_t value);

static PAGE_ALIGNED pte_t top[512];
static PAGE_ALIGNED pte_t last[512];
static PAGE_ALIGNED pte_t first[512];
static PAGE_ALIGNED pte_t low[512];
static PAGE_ALIGNED volatile uint32_t page[1024];

#define READ_ONLY (PTE_P | PTE_A)
#define XEN_SLOTS 428 /* of the last L2: Xen's own from here on */
#define LOW_ADDRESS 0x00123000u

static int extended(uint32_t cmd, uint32_t mfn) {
  struct mmuext_op op = {cmd, mfn, 0};
  return HYPERVISOR_mmuext_op(&op, 1, 0, DOMID_SELF);
}
static uint32_t mfn_of(const volatile void *pointer) { return va_to_mfn(va_of(pointer)); }
static uint32_t cr3_of(uint32_t mfn) { return mfn << 12 | mfn >> 20; }

/* All of the kernel as it is, and one page of ours far below it. */
static void fill(void) {
  const volatile pte_t *l3 = (const volatile pte_t *)start_info->pt_base;
  const volatile pte_t *l2 = mfn_to_pointer((uint32_t)(l3[3] >> PAGE_SHIFT));
  for (unsigned i = 0; i < XEN_SLOTS; i++) last[i] = l2[i];
  low[LOW_ADDRESS >> 12 & 511] = make_pte(mfn_of(page), PTE_KERNEL);
  first[LOW_ADDRESS >> 21] = make_pte(mfn_of(low), PTE_P | PTE_RW);
  top[0] = make_pte(mfn_of(first), PTE_P);
  top[3] = make_pte(mfn_of(last), PTE_P);
}

static void make(void) {
  check_equal("pin while it can be written to", extended(MMUEXT_PIN_L3_TABLE, mfn_of(top)), -EINVAL);
  check_equal("low", remap_page(va_of(low), READ_ONLY), 0);
  check_equal("first", remap_page(va_of(first), READ_ONLY), 0);
  check_equal("last", remap_page(va_of(last), READ_ONLY), 0);
  check_equal("top", remap_page(va_of(top), READ_ONLY), 0);
  check_equal("pin", extended(MMUEXT_PIN_L3_TABLE, mfn_of(top)), 0);
  check((((volatile pte_t *)last)[XEN_SLOTS] & PTE_P) != 0, "Xen's slots were not filled");
}

static uint32_t low_word(void) { return *(volatile uint32_t *)LOW_ADDRESS; }

static void there_and_back(uint32_t home) {
  page[0] = 0x12345678;
  expect_trap("not yet", load_byte, LOW_ADDRESS, VECTOR_PF, 0, load_byte_at);
  check_equal("change", extended(MMUEXT_NEW_BASEPTR, mfn_of(top)), 0);
  check_equal("CR3", read_cr3(), cr3_of(mfn_of(top)));
  check_equal("what only this one maps", low_word(), 0x12345678);
  check_equal("the M2P", mfn_to_pfn(mfn_of(page)), va_to_pfn(va_of(page)));
  write_cr3(cr3_of(home));
  check_equal("CR3 again", read_cr3(), cr3_of(home));
  expect_trap("no longer", load_byte, LOW_ADDRESS, VECTOR_PF, 0, load_byte_at);
}

static void without_the_old_ones(uint32_t home) {
  uint32_t old = start_info->pt_base;
  write_cr3(cr3_of(mfn_of(top)));
  check_equal("the old top, still pinned", remap_page(old, PTE_KERNEL), -EBUSY);
  check_equal("unpin", extended(MMUEXT_UNPIN_TABLE, home), 0);
  check_equal("the old top, writable", remap_page(old, PTE_KERNEL), 0);
  ((volatile pte_t *)old)[1] = 0;
  expect_trap("into a page that is no table", write_cr3, cr3_of(home), VECTOR_GP, 0, 0);
  check_equal("read-only", remap_page(old, READ_ONLY), 0);
  check_equal("pin", extended(MMUEXT_PIN_L3_TABLE, home), 0);
  write_cr3(cr3_of(home));
  check_equal("unpin the new one", extended(MMUEXT_UNPIN_TABLE, mfn_of(top)), 0);
  check_equal("top", remap_page(va_of(top), PTE_KERNEL), 0);
  check_equal("last", remap_page(va_of(last), PTE_KERNEL), 0);
}

TEST("base-pointer") {
  uint32_t home = va_to_mfn(start_info->pt_base);
  fill();
  make();
  there_and_back(home);
  without_the_old_ones(home);
}
