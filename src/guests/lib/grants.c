/* Grants, version 1: eight bytes an entry, one page of 512 entries. */
#include "cpu.h"
#include "grants.h"
#include "hypercall.h"
#include "memory.h"
#include "print.h"

static PAGE_ALIGNED char table_place[PAGE_SIZE];

static volatile struct grant_entry *table;
static grant_ref_t next_ref = GRANT_FIRST_FREE;

void grants_init(void) {
  if (table) return;
  uint32_t mfn = 0;
  struct gnttab_setup_table request = {DOMID_SELF, 0, 1, 0, 0, &mfn};
  int rc = HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &request, 1);
  if (rc != 0 || request.status != GNTST_okay) panic("setup_table: %d, status %d", rc, request.status);
  rc = map_frame(va_of(table_place), mfn, PTE_KERNEL);
  if (rc != 0) panic("the grant table cannot be mapped: %d", rc);
  table = (volatile struct grant_entry *)table_place;
}

volatile struct grant_entry *grant_entry(grant_ref_t ref) { return &table[ref]; }

grant_ref_t grant_access(domid_t peer, const void *page, int readonly) {
  if (next_ref >= GRANT_ENTRIES_PER_FRAME) panic("no grant entry left");
  grant_ref_t ref = next_ref++;
  table[ref].domid = peer;
  table[ref].frame = va_to_mfn(va_of(page));
  memory_barrier(); /* the flags open the door: everything else must be in place */
  table[ref].flags = GTF_permit_access | (readonly ? GTF_readonly : 0);
  return ref;
}

/*
 * Xen sets GTF_reading and GTF_writing behind our back when the page is mapped,
 * so looking and then clearing would be a race: compare and clear in one step.
 */
int grant_end_access(grant_ref_t ref) {
  uint16_t flags = table[ref].flags;
  if (flags & (GTF_reading | GTF_writing)) return 0;
  return atomic_compare_exchange16(&table[ref].flags, flags, 0) == flags;
}

int grant_map(domid_t owner, grant_ref_t ref, uint32_t va, int readonly, grant_handle_t *handle) {
  struct gnttab_map_grant_ref request = {
      va, GNTMAP_host_map | (readonly ? GNTMAP_readonly : 0), ref, owner, 0, 0, 0};
  int rc = HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &request, 1);
  if (rc != 0) panic("map_grant_ref: %d", rc);
  if (request.status == GNTST_okay) *handle = request.handle;
  return request.status;
}

int grant_unmap(grant_handle_t handle, uint32_t va) {
  struct gnttab_unmap_grant_ref request = {va, 0, handle, 0, 0};
  int rc = HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &request, 1);
  if (rc != 0) panic("unmap_grant_ref: %d", rc);
  if (request.status == GNTST_okay) remap_page(va, PTE_KERNEL);
  return request.status;
}
