/* Grant table, version 1: "domain D may map, or copy, this frame of mine". */
#ifndef XEN_GRANT_TABLE_H
#define XEN_GRANT_TABLE_H

#include "xen/abi.h"

struct grant_entry {
  uint16_t flags; /* written last: it is what makes the entry valid */
  domid_t domid;
  uint32_t frame; /* mfn */
};
ABI_SIZE(grant_entry, 8);

#define GTF_permit_access 1u
#define GTF_accept_transfer 2u
#define GTF_readonly 4u
#define GTF_reading 8u  /* set by Xen while the frame is mapped */
#define GTF_writing 16u /* set by Xen while it is mapped writable */

#define GRANT_ENTRIES_PER_FRAME 512u
#define GRANT_FIRST_FREE 8u /* 0 is the console's, 1 is XenStore's, 2-7 are reserved */

#define GNTTABOP_map_grant_ref 0
#define GNTTABOP_unmap_grant_ref 1
#define GNTTABOP_setup_table 2
#define GNTTABOP_dump_table 3
#define GNTTABOP_transfer 4
#define GNTTABOP_copy 5
#define GNTTABOP_query_size 6
#define GNTTABOP_set_version 8
#define GNTTABOP_get_version 10

#define GNTMAP_device_map 1u
#define GNTMAP_host_map 2u
#define GNTMAP_readonly 4u
#define GNTMAP_application_map 8u
#define GNTMAP_contains_pte 16u

#define GNTST_okay 0
#define GNTST_general_error (-1)
#define GNTST_bad_domain (-2)
#define GNTST_bad_gntref (-3)
#define GNTST_bad_handle (-4)
#define GNTST_bad_virt_addr (-5)
#define GNTST_bad_dev_addr (-6)
#define GNTST_permission_denied (-8)
#define GNTST_bad_page (-9)
#define GNTST_bad_copy_arg (-10)

struct gnttab_map_grant_ref {
  uint64_t host_addr;
  uint32_t flags;
  grant_ref_t ref;
  domid_t dom;
  int16_t status; /* out, as the rest */
  grant_handle_t handle;
  uint64_t dev_bus_addr;
};
ABI_SIZE(gnttab_map_grant_ref, 32);

struct gnttab_unmap_grant_ref {
  uint64_t host_addr;
  uint64_t dev_bus_addr;
  grant_handle_t handle;
  int16_t status; /* out */
  uint16_t pad;
};
ABI_SIZE(gnttab_unmap_grant_ref, 24);

struct gnttab_setup_table {
  domid_t dom;
  uint16_t pad0;
  uint32_t nr_frames;
  int16_t status; /* out */
  uint16_t pad1;
  uint32_t *frame_list; /* out: one mfn per frame of the table */
};
ABI_SIZE(gnttab_setup_table, 16);

struct gnttab_copy_end {
  uint32_t ref_or_gmfn;
  domid_t domid;
  uint16_t offset;
};
ABI_SIZE(gnttab_copy_end, 8);

#define GNTCOPY_source_gref 1u
#define GNTCOPY_dest_gref 2u

struct gnttab_copy {
  struct gnttab_copy_end source;
  struct gnttab_copy_end dest;
  uint16_t len;
  uint16_t flags;
  int16_t status; /* out */
  uint16_t pad;
};
ABI_SIZE(gnttab_copy, 24);

struct gnttab_query_size {
  domid_t dom;
  uint16_t pad0;
  uint32_t nr_frames;     /* out */
  uint32_t max_nr_frames; /* out */
  int16_t status;         /* out */
  uint16_t pad1;
};
ABI_SIZE(gnttab_query_size, 16);

struct gnttab_set_version {
  uint32_t version; /* in and out */
};
ABI_SIZE(gnttab_set_version, 4);

struct gnttab_get_version {
  domid_t dom;
  uint16_t pad;
  uint32_t version; /* out */
};
ABI_SIZE(gnttab_get_version, 8);

#endif
