/*
 * vm_assist, and direct writes to page tables that it makes possible.
 *
 * - Without the assist every write to a page table is a #PF. With it, writes to
 *   L1 entries by any instruction are checked and carried out; L2 stays closed.
 * - An entry that would not be allowed is a #PF, and nothing changes.
 * - vm_assist: -EINVAL for a bad type first, -ENOSYS for a bad command.
 */
#include "harness.h"

void store_low(volatile pte_t *entry, uint32_t value), store_high(volatile pte_t *entry, uint32_t value);
void or_low(volatile pte_t *entry, uint32_t value), byte_store(volatile pte_t *entry, uint32_t value);
uint32_t locked_add(volatile pte_t *entry, uint32_t value);
int exchange8(volatile pte_t *entry, const pte_t *expected, const pte_t *value);
extern char at_store_low[];

static PAGE_ALIGNED char page[PAGE_SIZE];
static PAGE_ALIGNED char other[PAGE_SIZE];

static volatile pte_t *entry;

static void write_entry(uint32_t low) { store_low(entry, low); }
static void write_l2(uint32_t low) {
  const volatile pte_t *l3 = (const volatile pte_t *)start_info->pt_base;
  volatile pte_t *l2 = mfn_to_pointer((uint32_t)(l3[3] >> PAGE_SHIFT));
  store_low(&l2[300], low);
}

static int assist(uint32_t cmd, uint32_t type) { return HYPERVISOR_vm_assist(cmd, type); }

static void flush(void) {
  struct mmuext_op op = {MMUEXT_INVLPG_LOCAL, va_of(page), 0};
  HYPERVISOR_mmuext_op(&op, 1, 0, DOMID_SELF);
}

static void commands(void) {
  check_equal("type 6", assist(VMASST_CMD_ENABLE, 6), -EINVAL);
  check_equal("type 32", assist(VMASST_CMD_ENABLE, 32), -EINVAL);
  check_equal("command 5, type 6", assist(5, 6), -EINVAL);
  check_equal("command 5", assist(5, 2), -ENOSYS);
  for (uint32_t type = 0; type < 6; type++)
    if (type != VMASST_TYPE_pae_extended_cr3)
      check_equal("disable", assist(VMASST_CMD_DISABLE, type), 0);
}

static void writes(void) {
  uint32_t own = va_to_mfn(va_of(page)), its = va_to_mfn(va_of(other));
  entry = (volatile pte_t *)find_pte(va_of(page));
  expect_trap("without the assist", write_entry, 0, VECTOR_PF, 3, at_store_low);
  check_equal("enable", assist(VMASST_CMD_ENABLE, VMASST_TYPE_writable_pagetables), 0);

  store_low(entry, 0);
  check((uint32_t)*entry == 0, "entry is 0x%llx after a store of 0", *entry);
  flush();
  expect_trap("the page is gone", load_byte, va_of(page), VECTOR_PF, 0, load_byte_at);
  store_high(entry, 0);
  store_low(entry, its << PAGE_SHIFT | PTE_KERNEL);
  flush();
  other[9] = 99;
  check_equal("the other page", (uint8_t)((volatile char *)page)[9], 99);

  or_low(entry, PTE_G);
  check((*entry & PTE_G) != 0, "OR");
  check_equal("XADD: before", locked_add(entry, 0), its << PAGE_SHIFT | PTE_KERNEL | PTE_G);
  pte_t before = *entry, back = make_pte(own, PTE_KERNEL);
  check(exchange8(entry, &back, &before) == 0, "CMPXCHG8B with a wrong guess succeeded");
  check(exchange8(entry, &before, &back) == 1, "CMPXCHG8B with the right guess failed");
  check(*entry == back, "CMPXCHG8B left 0x%llx", *entry);
  flush();
  byte_store(entry, PTE_KERNEL & ~PTE_RW);
  check_equal("a byte", *entry & 0xFF, PTE_KERNEL & ~PTE_RW);
  byte_store(entry, PTE_KERNEL);
}

static void refused(void) {
  pte_t before = *entry;
  struct caught trap = expect_trap("a page table, writable", write_entry,
                                   va_to_mfn(start_info->pt_base) << PAGE_SHIFT | PTE_KERNEL, VECTOR_PF, 3, 0);
  check_equal("cr2", trap.cr2, va_of(entry));
  check(*entry == before, "a refused write has changed the entry");
  expect_trap("an L2", write_l2, 0, VECTOR_PF, 3, 0);
  check_equal("disable", assist(VMASST_CMD_DISABLE, VMASST_TYPE_writable_pagetables), 0);
  expect_trap("without the assist again", write_entry, 0, VECTOR_PF, 3, 0);
}

TEST("writable-page-tables") {
  commands();
  writes();
  refused();
}
