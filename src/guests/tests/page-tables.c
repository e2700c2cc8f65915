/*
 * Page tables through update_va_mapping, mmu_update and mmuext_op: what is done, and what is refused.
 *
 * - A frame used as a page table is never mapped writable (-EBUSY), and a frame
 *   that is mapped writable never becomes a page table (-EINVAL).
 * - L2 entries may not be large, L3 entries may not lead back to L3, slot 3 of L3 and Xen's part of
 *   its L2 are closed.
 * - Frames of others, and those that do not exist, are refused.
 * - A new L1 can be pinned, hooked in, used, unhooked, unpinned, and is an ordinary page again.
 * - `done` counts the requests before the one that failed.
 */
#include "harness.h"
#include "string.h"
#include "xen/memory.h"

static PAGE_ALIGNED char page[PAGE_SIZE];
static PAGE_ALIGNED char other[PAGE_SIZE];
static PAGE_ALIGNED pte_t table[512];

/* An address in slot 3 that the boot mapping does not reach. */
#define FREE_VA 0xD0000000u

static int update(uint64_t ptr, uint64_t val) {
  struct mmu_update request = {ptr, val};
  return HYPERVISOR_mmu_update(&request, 1, 0, DOMID_SELF);
}

static int extended(uint32_t cmd, uint32_t arg1, uint32_t arg2) {
  struct mmuext_op op = {cmd, arg1, arg2};
  return HYPERVISOR_mmuext_op(&op, 1, 0, DOMID_SELF);
}

static uint32_t mfn_of(const void *p) { return va_to_mfn(va_of(p)); }

/* The machine address of the entry of the L2 that leads to `va`. */
static uint64_t l2_maddr(uint32_t va) {
  const volatile pte_t *l3 = (const volatile pte_t *)start_info->pt_base;
  return make_pte((uint32_t)(l3[va >> 30] >> PAGE_SHIFT), ((va >> 21) & 511) * 8);
}

static void one_entry(void) {
  check_equal("read-only", remap_page(va_of(page), PTE_P | PTE_A), 0);
  expect_trap("store to it", store_byte, va_of(page), VECTOR_PF, 3, store_byte_at);
  check_equal("writable again", remap_page(va_of(page), PTE_KERNEL), 0);
  expect_no_trap("store to it", store_byte, va_of(page));
  check_equal("another frame", map_frame(va_of(page), mfn_of(other), PTE_KERNEL), 0);
  other[7] = 77;
  check_equal("two names for one page", (uint8_t)((volatile char *)page)[7], 77);
  check_equal("its own frame", remap_page(va_of(page), PTE_KERNEL), 0);
  check_equal("nothing", HYPERVISOR_update_va_mapping(va_of(page) + 123, 0, UVMF_INVLPG), 0);
  expect_trap("load from nothing", load_byte, va_of(page), VECTOR_PF, 0, load_byte_at);
  check_equal("back", remap_page(va_of(page), PTE_KERNEL | PTE_US | PTE_G), 0);
  check_equal("flags are stored as given", *find_pte(va_of(page)) & 0xFFF, PTE_KERNEL | PTE_US | PTE_G);
  check_equal("no L1 there", HYPERVISOR_update_va_mapping(FREE_VA, 0, 0), -EINVAL);
  check_equal("Xen's area", HYPERVISOR_update_va_mapping(HYPERVISOR_VIRT_START, 0, 0), -EINVAL);
}

static void refused_frames(void) {
  pte_t before = *find_pte(va_of(page));
  uint32_t frames = (uint32_t)HYPERVISOR_memory_op(XENMEM_maximum_ram_page, 0);
  check_equal("a page table, writable", map_frame(va_of(page), mfn_of((void *)start_info->pt_base), PTE_KERNEL),
              -EBUSY);
  check_equal("a page table, readable", map_frame(va_of(page), mfn_of((void *)start_info->pt_base), PTE_P), 0);
  remap_page(va_of(page), before & 0xFFF);
  check(map_frame(va_of(page), frames + 0x1000, PTE_KERNEL) < 0, "a frame beyond RAM was mapped");
  check_equal("cache attributes", remap_page(va_of(page), PTE_KERNEL | PTE_PCD), -EINVAL);

  uint32_t foreign = 0; /* some frame that is not ours: M2P and P2M do not agree */
  for (uint32_t mfn = 1; mfn < frames && foreign == 0; mfn++) {
    uint32_t pfn = mfn_to_pfn(mfn);
    if ((pfn >= start_info->nr_pages || pfn_to_mfn(pfn) != mfn) && mfn != start_info->shared_info >> PAGE_SHIFT)
      foreign = mfn;
  }
  int rc = map_frame(va_of(page), foreign, PTE_KERNEL);
  check(rc == -EBUSY || rc == -EPERM, "frame 0x%x of somebody else: %d", foreign, rc);
  check(*find_pte(va_of(page)) == before, "a refused update changed the entry");
}

static void batches(void) {
  uint64_t entry = pte_maddr(va_of(page));
  pte_t plain = make_pte(mfn_of(page), PTE_P | PTE_RW | PTE_A);
  struct mmu_update list[3] = {{entry, plain}, {entry | 4, plain}, {entry, plain}};
  uint32_t done = 99;
  check_equal("second command is unknown", HYPERVISOR_mmu_update(list, 3, &done, DOMID_SELF), -ENOSYS);
  check_equal("done", done, 1);
  check_equal("none", HYPERVISOR_mmu_update(list, 0, &done, DOMID_SELF), 0);
  check_equal("done", done, 0);
  check_equal("bad list", HYPERVISOR_mmu_update(0, 1, &done, DOMID_SELF), -EFAULT);
  check_equal("bad domain", HYPERVISOR_mmu_update(list, 1, &done, 0x1234), -ESRCH);

  page[0] = 1; /* sets A and D */
  check_equal("preserve A and D", update(entry | MMU_PT_UPDATE_PRESERVE_AD, make_pte(mfn_of(page),
                                                                                     PTE_P | PTE_RW)), 0);
  check_equal("A and D", *find_pte(va_of(page)) & (PTE_A | PTE_D), PTE_A | PTE_D);
  check_equal("an ordinary page is written too", update(make_pte(mfn_of(other), 16), 0x1122334455667788ull), 0);
  check_equal("what is there", *(volatile uint32_t *)&other[16], 0x55667788);
}

static void m2p(void) {
  uint32_t mfn = mfn_of(page), pfn = va_to_pfn(va_of(page));
  check_equal("M2P entry", update(make_pte(mfn, MMU_MACHPHYS_UPDATE), 0x777), 0);
  check_equal("its value", mfn_to_pfn(mfn), 0x777);
  check_equal("M2P entry back", update(make_pte(mfn, MMU_MACHPHYS_UPDATE), pfn), 0);
  check_equal("M2P of no frame", update(make_pte(0xFFFFF, MMU_MACHPHYS_UPDATE), pfn), -EINVAL);
}

static void new_table(void) {
  uint32_t mfn = mfn_of(table);
  memset(table, 0, sizeof table);
  table[1] = make_pte(mfn_of(other), PTE_KERNEL);
  check_equal("pin while writable", extended(MMUEXT_PIN_L1_TABLE, mfn, 0), -EINVAL);
  remap_page(va_of(table), PTE_P | PTE_A);
  check_equal("pin", extended(MMUEXT_PIN_L1_TABLE, mfn, 0), 0);
  check_equal("pin twice", extended(MMUEXT_PIN_L1_TABLE, mfn, 0), -EINVAL);
  check_equal("pin as L2", extended(MMUEXT_PIN_L2_TABLE, mfn, 0), -EINVAL);
  check_equal("writable while pinned", remap_page(va_of(table), PTE_KERNEL), -EBUSY);

  pte_t hook = make_pte(mfn, PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D);
  check_equal("large", update(l2_maddr(FREE_VA), hook | PTE_PSE), -EINVAL);
  check_equal("hook in", update(l2_maddr(FREE_VA), hook), 0);
  other[3] = 33;
  check_equal("seen through it", *(volatile uint8_t *)(FREE_VA + PAGE_SIZE + 3), 33);
  check_equal("an entry in it", map_frame(FREE_VA, mfn_of(page), PTE_KERNEL), 0);
  expect_no_trap("store through it", store_byte, FREE_VA);
  check_equal("arrived", (uint8_t)((volatile char *)page)[0], 0x5A);
  check_equal("unhook", update(l2_maddr(FREE_VA), 0), 0);
  expect_trap("gone", load_byte, FREE_VA, VECTOR_PF, 0, load_byte_at);
  check_equal("unpin", extended(MMUEXT_UNPIN_TABLE, mfn, 0), 0);
  check_equal("unpin twice", extended(MMUEXT_UNPIN_TABLE, mfn, 0), -EINVAL);
  check_equal("ordinary again", remap_page(va_of(table), PTE_KERNEL), 0);

  table[2] = make_pte(mfn_of((void *)start_info->pt_base), PTE_KERNEL); /* a page table, writable */
  remap_page(va_of(table), PTE_P | PTE_A);
  check(extended(MMUEXT_PIN_L1_TABLE, mfn, 0) < 0, "an L1 that opens a page table was pinned");
  remap_page(va_of(table), PTE_KERNEL);
}

static void upper_levels(void) {
  uint32_t top = mfn_of((void *)start_info->pt_base);
  uint64_t l3 = make_pte(top, 0);
  check_equal("L3 leads to itself", update(l3, make_pte(top, PTE_P)), -EINVAL);
  check_equal("L3 leads to an ordinary page", update(l3 + 8, make_pte(mfn_of(page), PTE_P)), -EINVAL);
  check_equal("L3 slot 3", update(l3 + 24, ((const volatile pte_t *)start_info->pt_base)[3]), -EINVAL);
  check_equal("Xen's part of L2", update(l2_maddr(HYPERVISOR_VIRT_START), 0), -EPERM);
  check_equal("L2 leads to an ordinary page", update(l2_maddr(FREE_VA), make_pte(mfn_of(page), PTE_P | PTE_RW)),
              -EINVAL);
}

static void extended_operations(void) {
  uint32_t top = mfn_of((void *)start_info->pt_base);
  struct mmuext_op list[2] = {{MMUEXT_TLB_FLUSH_LOCAL, 0, 0}, {77, 0, 0}};
  uint32_t done = 99;
  check_equal("new base, the same", extended(MMUEXT_NEW_BASEPTR, top, 0), 0);
  check_equal("new base, an ordinary page", extended(MMUEXT_NEW_BASEPTR, mfn_of(page), 0), -EINVAL);
  check_equal("flush", extended(MMUEXT_TLB_FLUSH_ALL, 0, 0), 0);
  check_equal("invlpg", extended(MMUEXT_INVLPG_LOCAL, va_of(page), 0), 0);
  check_equal("pin L4", extended(MMUEXT_PIN_L4_TABLE, mfn_of(page), 0), 0);
  check_equal("user base", extended(MMUEXT_NEW_USER_BASEPTR, top, 0), -EINVAL);
  check_equal("flush cache", extended(MMUEXT_FLUSH_CACHE, 0, 0), -EACCES);
  check_equal("super page", extended(MMUEXT_MARK_SUPER, mfn_of(page), 0), -EOPNOTSUPP);
  check_equal("second is unknown", HYPERVISOR_mmuext_op(list, 2, &done, DOMID_SELF), -ENOSYS);
  check_equal("done", done, 1);
  check_equal("bad list", HYPERVISOR_mmuext_op(0, 1, &done, DOMID_SELF), -EFAULT);
  check_equal("bad domain", HYPERVISOR_mmuext_op(list, 1, &done, 0x1234), -ESRCH);

  memset(page, 0x77, sizeof page);
  check_equal("copy page", extended(MMUEXT_COPY_PAGE, mfn_of(other), mfn_of(page)), 0);
  check_equal("copied", (uint8_t)((volatile char *)other)[4095], 0x77);
  check_equal("clear page", extended(MMUEXT_CLEAR_PAGE, mfn_of(page), 0), 0);
  check_equal("cleared", (uint8_t)((volatile char *)page)[4095], 0);
  check(extended(MMUEXT_CLEAR_PAGE, top, 0) < 0, "a page table was cleared");
}

TEST("page-tables") {
  one_entry();
  refused_frames();
  batches();
  m2p();
  new_table();
  upper_levels();
  extended_operations();
}
