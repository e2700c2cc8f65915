// Grant tables, version 1 (public/grant_table.h).

export const GTF_invalid = 0,
  GTF_permit_access = 1,
  GTF_accept_transfer = 2,
  GTF_type_mask = 3;
export const GTF_readonly = 4,
  GTF_reading = 8,
  GTF_writing = 0x10,
  GTF_sub_page = 0x100;
export const GTF_transfer_committed = 4,
  GTF_transfer_completed = 8;
/** Entry: flags u16 +0, domid u16 +2, frame u32 +4. */
export const GRANT_ENTRY_SIZE = 8;

export const GNTMAP_device_map = 1,
  GNTMAP_host_map = 2,
  GNTMAP_readonly = 4,
  GNTMAP_application_map = 8,
  GNTMAP_contains_pte = 0x10;
export const GNTMAP_guest_avail_shift = 16;
export const GNTCOPY_source_gref = 1,
  GNTCOPY_dest_gref = 2;

export const GNTTABOP = {
  map_grant_ref: 0,
  unmap_grant_ref: 1,
  setup_table: 2,
  dump_table: 3,
  transfer: 4,
  copy: 5,
  query_size: 6,
  unmap_and_replace: 7,
  set_version: 8,
  get_status_frames: 9,
  get_version: 10,
  swap_grant_ref: 11,
  cache_flush: 12,
} as const;
export const GNTTABOPS = [
  'map_grant_ref',
  'unmap_grant_ref',
  'setup_table',
  'dump_table',
  'transfer',
  'copy',
  'query_size',
  'unmap_and_replace',
  'set_version',
  'get_status_frames',
  'get_version',
  'swap_grant_ref',
  'cache_flush',
] as const;

export const GNTST = {
  okay: 0,
  general_error: -1,
  bad_domain: -2,
  bad_gntref: -3,
  bad_handle: -4,
  bad_virt_addr: -5,
  bad_dev_addr: -6,
  no_device_space: -7,
  permission_denied: -8,
  bad_page: -9,
  bad_copy_arg: -10,
  address_too_big: -11,
  eagain: -12,
  no_space: -13,
} as const;
export type GrantStatus = (typeof GNTST)[keyof typeof GNTST];
export const GNTST_NAMES = Object.keys(GNTST) as (keyof typeof GNTST)[];
