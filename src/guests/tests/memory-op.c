/*
 * memory_op of a domain for itself: how much there is, giving a page back, getting one.
 *
 * - decrease_reservation frees a frame and its M2P entry; populate_physmap gives
 *   a zeroed frame for a pfn; both answer the number of extents done, never an error.
 * - The reservation cannot grow beyond its maximum.
 * - exchange swaps a frame for another one.
 * - Calls for translated guests are -EACCES, privileged ones -EPERM, unknown ones -ENOSYS.
 */
#include "harness.h"
#include "string.h"
#include "xen/memory.h"

static PAGE_ALIGNED char page[PAGE_SIZE];

static int reservation(uint32_t cmd) {
  domid_t self = DOMID_SELF;
  return HYPERVISOR_memory_op(cmd, &self);
}

/* The guest keeps the P2M; nobody else would tell it. */
static void set_p2m(uint32_t pfn, uint32_t mfn) { ((uint32_t *)start_info->mfn_list)[pfn] = mfn; }

static void balloon(void) {
  uint32_t pfn = va_to_pfn(va_of(page)), mfn = pfn_to_mfn(pfn);
  int pages = reservation(XENMEM_current_reservation);
  struct xen_memory_reservation request = {&mfn, 1, 0, 0, DOMID_SELF, 0};
  memset(page, 0x66, sizeof page);

  check_equal("unmap", HYPERVISOR_update_va_mapping(va_of(page), 0, UVMF_INVLPG), 0);
  set_p2m(pfn, INVALID_P2M_ENTRY);
  check_equal("decrease", HYPERVISOR_memory_op(XENMEM_decrease_reservation, &request), 1);
  check_equal("pages", reservation(XENMEM_current_reservation), pages - 1);
  check_equal("M2P of a free frame", mfn_to_pfn(mfn), INVALID_M2P_ENTRY);
  check_equal("decrease what is not ours", HYPERVISOR_memory_op(XENMEM_decrease_reservation, &request), 0);
  check(map_frame(va_of(page), mfn, PTE_KERNEL) < 0, "a frame given back was mapped");

  uint32_t extent = pfn;
  request.extent_start = &extent;
  check_equal("populate", HYPERVISOR_memory_op(XENMEM_populate_physmap, &request), 1);
  set_p2m(pfn, extent);
  check_equal("pages", reservation(XENMEM_current_reservation), pages);
  check_equal("M2P of the new frame", mfn_to_pfn(extent), pfn);
  check_equal("map", remap_page(va_of(page), PTE_KERNEL), 0);
  for (unsigned i = 0; i < PAGE_SIZE; i++)
    if (((volatile char *)page)[i] != 0) {
      check(0, "byte %u of a new page is 0x%x", i, (uint8_t)page[i]);
      break;
    }
}

static void limits(void) {
  int pages = reservation(XENMEM_current_reservation), most = reservation(XENMEM_maximum_reservation);
  check(most >= pages, "maximum %d below %d", most, pages);
  uint32_t extents[64];
  for (unsigned i = 0; i < 64; i++) extents[i] = start_info->nr_pages + i;
  struct xen_memory_reservation request = {extents, 64, 0, 0, DOMID_SELF, 0};
  int got = HYPERVISOR_memory_op(XENMEM_populate_physmap, &request);
  check(got >= 0 && got <= most - pages, "%d pages beyond the maximum", got);
  if (got > 0) {
    request.nr_extents = (uint32_t)got;
    check_equal("and back", HYPERVISOR_memory_op(XENMEM_decrease_reservation, &request), got);
  }
  request.nr_extents = 1;
  request.domid = 0x4321;
  check_equal("for nobody", HYPERVISOR_memory_op(XENMEM_populate_physmap, &request), 0);
  request.domid = DOMID_SELF;
  request.extent_order = 30;
  check_equal("order 30", HYPERVISOR_memory_op(XENMEM_populate_physmap, &request), 0);
  check_equal("bad pointer", HYPERVISOR_memory_op(XENMEM_populate_physmap, 0), 0);
}

static void exchange(void) {
  uint32_t pfn = va_to_pfn(va_of(page)), old = pfn_to_mfn(pfn), new = pfn;
  struct xen_memory_exchange request = {
      {&old, 1, 0, 0, DOMID_SELF, 0}, {&new, 1, 0, 0, DOMID_SELF, 0}, 0};
  check_equal("exchange a mapped page", HYPERVISOR_memory_op(XENMEM_exchange, &request), -EINVAL);
  HYPERVISOR_update_va_mapping(va_of(page), 0, UVMF_INVLPG);
  request.nr_exchanged = 0;
  new = pfn;
  check_equal("exchange", HYPERVISOR_memory_op(XENMEM_exchange, &request), 0);
  check_equal("exchanged", request.nr_exchanged, 1);
  check_equal("M2P of the new frame", mfn_to_pfn(new), pfn);
  set_p2m(pfn, new);
  check_equal("map", remap_page(va_of(page), PTE_KERNEL), 0);
}

static void information(void) {
  struct xen_machphys_mapping mapping = {0, 0, 0};
  check_equal("machphys_mapping", HYPERVISOR_memory_op(XENMEM_machphys_mapping, &mapping), 0);
  check_equal("v_start", mapping.v_start, HYPERVISOR_VIRT_START);
  check_equal("max_mfn", mapping.max_mfn, (mapping.v_end - mapping.v_start) / 4 - 1);
  check(HYPERVISOR_memory_op(XENMEM_maximum_ram_page, 0) > (int)start_info->nr_pages,
        "fewer frames than pages");

  struct e820_entry entries[4];
  struct xen_memory_map map = {4, entries};
  check_equal("memory_map", HYPERVISOR_memory_op(XENMEM_memory_map, &map), 0);
  check(map.nr_entries >= 1, "no entry in the memory map");
  check_equal("its type", entries[0].type, 1);
  check(entries[0].addr == 0 && entries[0].size >= (uint64_t)start_info->nr_pages << PAGE_SHIFT,
        "entry 0: %llu + %llu",
        entries[0].addr, entries[0].size);
}

static void refused(void) {
  struct xen_add_to_physmap add = {DOMID_SELF, 0, 0, 0, 5};
  struct xen_remove_from_physmap remove = {DOMID_SELF, 0, 5};
  struct xen_memory_map map = {0, 0};
  domid_t nobody = 0x4321;
  check_equal("add_to_physmap", HYPERVISOR_memory_op(XENMEM_add_to_physmap, &add), -EACCES);
  check_equal("remove_from_physmap", HYPERVISOR_memory_op(XENMEM_remove_from_physmap, &remove), -EACCES);
  check_equal("machine_memory_map", HYPERVISOR_memory_op(XENMEM_machine_memory_map, &map), -EPERM);
  check_equal("reservation of nobody", HYPERVISOR_memory_op(XENMEM_current_reservation, &nobody), -ESRCH);
  check_equal("reservation, bad pointer", HYPERVISOR_memory_op(XENMEM_current_reservation, 0), -EFAULT);
  check_equal("unknown command", HYPERVISOR_memory_op(63, 0), -ENOSYS);
}

TEST("memory-op") {
  information();
  balloon();
  limits();
  exchange();
  refused();
}
