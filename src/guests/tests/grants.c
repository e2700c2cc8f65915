/*
 * Grant table, version 1: mapping a page of one's own by reference, unmapping, copying, and errors.
 *
 * - A map sets reading (and writing) in the entry, gives the frame's machine
 *   address, and shows the page; unmapping clears the flags. In between the entry
 *   cannot be revoked.
 * - A read-only grant cannot be mapped writable nor copied into (general_error).
 * - The granter is named by its number; DOMID_SELF there is bad_domain.
 * - The PTE to unmap must be the one that was mapped.
 * - Version 2 is -ENOSYS, any other than 1 and 2 -EINVAL.
 */
#include "events.h"
#include "grants.h"
#include "harness.h"
#include "string.h"

static PAGE_ALIGNED char page[PAGE_SIZE];
static PAGE_ALIGNED char window[PAGE_SIZE];
static PAGE_ALIGNED char other[PAGE_SIZE];

/* No hypercall tells a domain its number, but a port that waits for ourselves does. */
static domid_t own_number(void) {
  struct evtchn_status status = {DOMID_SELF, 0, event_alloc_unbound(DOMID_SELF), 0, 0, {0, 0}};
  HYPERVISOR_event_channel_op(EVTCHNOP_status, &status);
  event_close(status.port);
  return (domid_t)status.u[0];
}

static int map_status(domid_t owner, grant_ref_t ref, uint32_t va, uint32_t flags) {
  struct gnttab_map_grant_ref map = {va, flags, ref, owner, 0, 0, 0};
  check_equal("map_grant_ref", HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
  return map.status;
}

static int unmap_status(grant_handle_t handle, uint32_t va) {
  struct gnttab_unmap_grant_ref unmap = {va, 0, handle, 0, 0};
  check_equal("unmap_grant_ref", HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
  return unmap.status;
}

static void map_writable(domid_t self) {
  grant_ref_t ref = grant_access(self, page, 0);
  struct gnttab_map_grant_ref map = {va_of(window), GNTMAP_host_map, ref, self, 99, 99, 0};
  check_equal("map", HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
  check_equal("map: status", map.status, GNTST_okay);
  check_equal("dev_bus_addr", map.dev_bus_addr, va_to_mfn(va_of(page)) << PAGE_SHIFT);
  check_equal("flags while mapped", grant_entry(ref)->flags, GTF_permit_access | GTF_reading | GTF_writing);
  page[5] = 55;
  check_equal("the page in the window", (uint8_t)((volatile char *)window)[5], 55);
  expect_no_trap("store through the window", store_byte, va_of(window));
  check_equal("the other way round", (uint8_t)((volatile char *)page)[0], 0x5A);
  check_equal("revoke while mapped", grant_end_access(ref), 0);
  check_equal("unmap elsewhere", unmap_status(map.handle, va_of(other)), GNTST_general_error);
  check_equal("unmap", unmap_status(map.handle, va_of(window)), GNTST_okay);
  check_equal("flags after that", grant_entry(ref)->flags, GTF_permit_access);
  expect_trap("the window is empty", load_byte, va_of(window), VECTOR_PF, 0, load_byte_at);
  check_equal("unmap twice", unmap_status(map.handle, va_of(window)), GNTST_bad_handle);
  check_equal("revoke", grant_end_access(ref), 1);
  remap_page(va_of(window), PTE_KERNEL);
}

static void map_readonly(domid_t self) {
  grant_ref_t ref = grant_access(self, page, 1);
  grant_handle_t handle = 0;
  check_equal("read-only grant, writable map", map_status(self, ref, va_of(window), GNTMAP_host_map),
              GNTST_general_error);
  check_equal("read-only map", grant_map(self, ref, va_of(window), 1, &handle), GNTST_okay);
  check_equal("flags while mapped", grant_entry(ref)->flags, GTF_permit_access | GTF_readonly | GTF_reading);
  expect_no_trap("load", load_byte, va_of(window));
  expect_trap("store", store_byte, va_of(window), VECTOR_PF, 3, store_byte_at);
  check_equal("unmap", grant_unmap(handle, va_of(window)), GNTST_okay);
  grant_end_access(ref);
}

static void map_errors(domid_t self) {
  grant_ref_t ref = grant_access(self, page, 0);
  uint32_t va = va_of(window);
  check_equal("ref beyond the table", map_status(self, 100000, va, GNTMAP_host_map), GNTST_bad_gntref);
  check_equal("unused ref", map_status(self, 500, va, GNTMAP_host_map), GNTST_general_error);
  check_equal("the console's ref", map_status(self, 0, va, GNTMAP_host_map), GNTST_general_error);
  check_equal("no such domain", map_status(0x4321, ref, va, GNTMAP_host_map), GNTST_bad_domain);
  check_equal("DOMID_SELF", map_status(DOMID_SELF, ref, va, GNTMAP_host_map), GNTST_bad_domain);
  check_equal("no kind of map", map_status(self, ref, va, 0), GNTST_bad_gntref);
  check_equal("flags of the entry after all this", grant_entry(ref)->flags, GTF_permit_access);
  check_equal("no such handle", unmap_status(12345, va), GNTST_bad_handle);
  grant_end_access(ref);
}

static int copy_status(struct gnttab_copy copy) {
  copy.status = 99;
  check_equal("copy", HYPERVISOR_grant_table_op(GNTTABOP_copy, &copy, 1), 0);
  return copy.status;
}

static void copies(domid_t self) {
  grant_ref_t source = grant_access(self, page, 1), dest = grant_access(self, other, 0);
  uint32_t page_mfn = va_to_mfn(va_of(page)), other_mfn = va_to_mfn(va_of(other));
  for (unsigned i = 0; i < PAGE_SIZE; i++) page[i] = (char)(i * 7);
  memset(other, 0, sizeof other);
  check_equal("reference to frame",
              copy_status((struct gnttab_copy){
                  {source, self, 100}, {other_mfn, DOMID_SELF, 50}, 3000, GNTCOPY_source_gref, 0, 0}),
              GNTST_okay);
  check(memcmp(other + 50, page + 100, 3000) == 0, "the copy differs");
  check_equal("in front of it", (uint8_t)((volatile char *)other)[49], 0);
  check_equal("behind it", (uint8_t)((volatile char *)other)[3050], 0);
  check_equal("frame to reference",
              copy_status((struct gnttab_copy){
                  {page_mfn, DOMID_SELF, 0}, {dest, self, 4095}, 1, GNTCOPY_dest_gref, 0, 0}),
              GNTST_okay);
  check_equal("the last byte", (uint8_t)((volatile char *)other)[4095], (uint8_t)page[0]);
  check_equal("into a read-only grant",
              copy_status((struct gnttab_copy){
                  {other_mfn, DOMID_SELF, 0}, {source, self, 0}, 1, GNTCOPY_dest_gref, 0, 0}),
              GNTST_general_error);
  check_equal("across the end of the page",
              copy_status((struct gnttab_copy){
                  {source, self, 4000}, {other_mfn, DOMID_SELF, 0}, 97, GNTCOPY_source_gref, 0, 0}),
              GNTST_bad_copy_arg);
  check_equal("flags after copying", grant_entry(source)->flags, GTF_permit_access | GTF_readonly);
  grant_end_access(source);
  grant_end_access(dest);
}

static void table(void) {
  struct gnttab_query_size query = {DOMID_SELF, 0, 0, 0, 99, 0};
  check_equal("query_size", HYPERVISOR_grant_table_op(GNTTABOP_query_size, &query, 1), 0);
  check_equal("its status", query.status, GNTST_okay);
  check_equal("frames in use", query.nr_frames, 1);
  check(query.max_nr_frames >= 4, "at most %u frames", query.max_nr_frames);
  uint32_t mfns[2];
  struct gnttab_setup_table setup = {DOMID_SELF, 0, query.max_nr_frames + 1, 99, 0, mfns};
  check_equal("too large a table", HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
  check_equal("its status", setup.status, GNTST_general_error);
  setup.dom = 0x4321;
  setup.nr_frames = 1;
  HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1);
  check_equal("table of nobody", setup.status, GNTST_bad_domain);
  setup.dom = DOMID_SELF;
  setup.nr_frames = 2;
  HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1);
  check_equal("a second frame", setup.status, GNTST_okay);
  check(mfns[0] != mfns[1], "the same frame twice");
  check_equal("count 2", HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 2), -EINVAL);
  check_equal("count with bit 31", HYPERVISOR_grant_table_op(GNTTABOP_copy, 0, 0x80000000u), -EINVAL);
  check_equal("count 0", HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, 0, 0), 0);
  check_equal("bad list", HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, 0, 1), -EFAULT);
  check_equal("dump_table", HYPERVISOR_grant_table_op(GNTTABOP_dump_table, &setup, 1), -ENOSYS);
  check_equal("unknown command", HYPERVISOR_grant_table_op(99, &setup, 1), -ENOSYS);
}

static void versions(void) {
  struct gnttab_set_version set = {1};
  struct gnttab_get_version get = {DOMID_SELF, 0, 99};
  check_equal("set_version 1", HYPERVISOR_grant_table_op(GNTTABOP_set_version, &set, 1), 0);
  set.version = 2;
  check_equal("set_version 2", HYPERVISOR_grant_table_op(GNTTABOP_set_version, &set, 1), -ENOSYS);
  set.version = 3;
  check_equal("set_version 3", HYPERVISOR_grant_table_op(GNTTABOP_set_version, &set, 1), -EINVAL);
  check_equal("get_version", HYPERVISOR_grant_table_op(GNTTABOP_get_version, &get, 1), 0);
  check_equal("the version", get.version, 1);
}

TEST("grants") {
  grants_init();
  check(grant_entry(0)->flags != 0, "the console's entry is free");
  check(grant_entry(1)->flags != 0, "XenStore's entry is free");
  check_equal("frame of the console's entry", grant_entry(0)->frame, start_info->console_mfn);
  check_equal("frame of XenStore's entry", grant_entry(1)->frame, start_info->store_mfn);
  domid_t self = own_number();
  map_writable(self);
  map_readonly(self);
  map_errors(self);
  copies(self);
  table();
  versions();
}
