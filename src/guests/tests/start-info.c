/*
 * What a new kernel finds: registers, start_info, P2M and M2P, the boot mapping and its flags.
 *
 * - ESI points to start_info, ESP to the end of the boot stack page, the other
 *   general registers are 0, EFLAGS is 0x202, the segments are Xen's flat ones.
 * - Image, P2M list, start_info, XenStore page, console page, page tables and
 *   boot stack follow each other; the mapping ends at a multiple of 4 MiB with
 *   at least 512 KiB behind the stack.
 * - Pages are mapped P|RW|A, page tables P|A; L2 entries carry U.
 * - M2P is the inverse of P2M, readable and not writable.
 * - All 32 upcall masks in shared_info are 1.
 */
#include "harness.h"
#include "string.h"
#include "xen/memory.h"

extern struct {
  uint32_t eax, ebx, ecx, edx, esi, edi, ebp, esp, eflags, cs, ss, ds, es, fs, gs;
} entry_state;

extern char _end[]; /* ld's name for the end of the image */

#define ROUND_UP(value, unit) (((value) + (unit)-1) & ~((unit)-1))

static uint32_t stack_page(void) { return start_info->pt_base + start_info->nr_pt_frames * PAGE_SIZE; }

static void registers(void) {
  check_equal("eax", entry_state.eax, 0);
  check_equal("ebx", entry_state.ebx, 0);
  check_equal("ecx", entry_state.ecx, 0);
  check_equal("edx", entry_state.edx, 0);
  check_equal("edi", entry_state.edi, 0);
  check_equal("ebp", entry_state.ebp, 0);
  check_equal("esi", entry_state.esi & ~PAGE_MASK, 0);
  check_equal("esp", entry_state.esp, stack_page() + PAGE_SIZE);
  check_equal("eflags", entry_state.eflags, 0x202);
  check_equal("cs", entry_state.cs, FLAT_RING1_CS);
  check_equal("ss", entry_state.ss, FLAT_RING1_DS);
  check_equal("ds", entry_state.ds, FLAT_RING1_DS);
  check_equal("es", entry_state.es, FLAT_RING1_DS);
  check_equal("fs", entry_state.fs, FLAT_RING1_DS);
  check_equal("gs", entry_state.gs, FLAT_RING1_DS);
}

/* What the tools say of themselves in every ordinary domain: they can read a P2M by its virtual address. */
#define SIF_VIRT_P2M_4TOOLS 0x10u

static void letter(void) {
  domid_t self = DOMID_SELF;
  check(strcmp(start_info->magic, "xen-3.0-x86_32p") == 0, "magic is \"%s\"", start_info->magic);
  check_equal("nr_pages", start_info->nr_pages, HYPERVISOR_memory_op(XENMEM_current_reservation, &self));
  check_equal("flags of an ordinary domain", start_info->flags, SIF_VIRT_P2M_4TOOLS);
  check_equal("mod_start without a ramdisk", start_info->mod_start, 0);
  check_equal("mod_len without a ramdisk", start_info->mod_len, 0);
  check_equal("command line", (uint8_t)start_info->cmd_line[0], 0);
  check(start_info->store_evtchn > 0 && start_info->store_evtchn < 1024, "store port %u",
        start_info->store_evtchn);
  check(start_info->console_evtchn > 0 && start_info->console_evtchn < 1024, "console port %u",
        start_info->console_evtchn);
  check_equal("shared_info is a page", start_info->shared_info & ~PAGE_MASK, 0);
}

static void layout(void) {
  uint32_t list = start_info->mfn_list;
  uint32_t letter_page = list + ROUND_UP(start_info->nr_pages * 4, PAGE_SIZE);
  check_equal("P2M follows the image", list, ROUND_UP(va_of(_end), PAGE_SIZE));
  check_equal("start_info follows the P2M", va_of(start_info), letter_page);
  check_equal("the XenStore page follows", va_of(mfn_to_pointer(start_info->store_mfn)),
              letter_page + PAGE_SIZE);
  check_equal("the console page follows", va_of(mfn_to_pointer(start_info->console_mfn)),
              letter_page + 2 * PAGE_SIZE);
  check_equal("the page tables follow", start_info->pt_base, letter_page + 3 * PAGE_SIZE);
}

static void mapping(void) {
  uint32_t tables_end = stack_page();
  uint32_t end = ROUND_UP(stack_page() + PAGE_SIZE + 128 * PAGE_SIZE, 0x400000u);
  uint32_t l1_tables = (end - VIRT_BASE) >> 21;
  check_equal("one L3, one L2, and an L1 for every 2 MiB", start_info->nr_pt_frames, 2 + l1_tables);

  const volatile pte_t *l3 = (const volatile pte_t *)start_info->pt_base;
  for (unsigned slot = 0; slot < 3; slot++)
    check((l3[slot] & PTE_P) == 0, "L3 slot %u below VIRT_BASE is present", slot);
  check((l3[3] & PTE_P) != 0, "L3 slot 3 is empty");

  const volatile pte_t *l2 = mfn_to_pointer((uint32_t)(l3[3] >> PAGE_SHIFT));
  for (unsigned slot = 0; slot < l1_tables; slot++)
    check((l2[slot] & 0x7) == (PTE_P | PTE_RW | PTE_US), "L2 slot %u has flags 0x%x", slot,
          (uint32_t)l2[slot] & 0xFFF);
  check((l2[l1_tables] & PTE_P) == 0, "the mapping goes on behind its end");

  for (uint32_t va = VIRT_BASE; va < end; va += PAGE_SIZE) {
    int table = va >= start_info->pt_base && va < tables_end;
    pte_t want = make_pte(va_to_mfn(va), table ? PTE_P | PTE_A : PTE_P | PTE_RW | PTE_A);
    pte_t got = *find_pte(va) & ~(pte_t)PTE_D; /* dirty: whoever has been written */
    if (va == (va_of(shared_info) & PAGE_MASK) || (got & PTE_US)) continue; /* the harness changed these */
    if (got == want) continue;
    check(0, "0x%p is mapped by 0x%llx, want 0x%llx", va, got, want);
    break;
  }
}

static void frames(void) {
  for (uint32_t pfn = 0; pfn < start_info->nr_pages; pfn++) {
    if (mfn_to_pfn(pfn_to_mfn(pfn)) == pfn) continue;
    check(0, "pfn 0x%x is frame 0x%x, and that is pfn 0x%x", pfn, pfn_to_mfn(pfn), mfn_to_pfn(pfn_to_mfn(pfn)));
    return;
  }
  expect_no_trap("M2P read", load_byte, HYPERVISOR_VIRT_START);
  expect_trap("M2P written", store_byte, HYPERVISOR_VIRT_START, VECTOR_PF, 3, store_byte_at);
}

static void masks(void) {
  for (unsigned vcpu = 0; vcpu < MAX_VCPU_INFO; vcpu++)
    if (shared_info->vcpu_info[vcpu].evtchn_upcall_mask != 1) check(0, "upcall mask of vCPU %u is not 1", vcpu);
  check_equal("max_pfn is the guest's to write", shared_info->max_pfn, 0);
}

TEST("start-info") {
  registers();
  letter();
  layout();
  mapping();
  frames();
  masks();
}
