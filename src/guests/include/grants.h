/* Grants: lending a page to one other domain, and borrowing one. */
#ifndef GRANTS_H
#define GRANTS_H

#include "xen/grant_table.h"

/* Ask Xen for the first frame of the grant table and map it. */
void grants_init(void);

/* Let domain `peer` map the page at `page`. Returns the reference to tell it. */
grant_ref_t grant_access(domid_t peer, const void *page, int readonly);

/* Take it back. Returns 0 as long as the other side still has it mapped: then ask again later. */
int grant_end_access(grant_ref_t ref);

/* The entry itself, as Xen sees it. */
volatile struct grant_entry *grant_entry(grant_ref_t ref);

/* Map page `ref` of domain `owner` at `va`. Returns GNTST_okay and the handle, or a GNTST_* error. */
int grant_map(domid_t owner, grant_ref_t ref, uint32_t va, int readonly, grant_handle_t *handle);

/* Undo it and put our own frame back behind `va`. */
int grant_unmap(grant_handle_t handle, uint32_t va);

#endif
