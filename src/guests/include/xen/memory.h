/* memory_op: asking for memory and giving it back. */
#ifndef XEN_MEMORY_H
#define XEN_MEMORY_H

#include "xen/abi.h"

#define XENMEM_increase_reservation 0
#define XENMEM_decrease_reservation 1
#define XENMEM_maximum_ram_page 2
#define XENMEM_current_reservation 3
#define XENMEM_maximum_reservation 4
#define XENMEM_machphys_mfn_list 5
#define XENMEM_populate_physmap 6
#define XENMEM_add_to_physmap 7
#define XENMEM_memory_map 9
#define XENMEM_machine_memory_map 10
#define XENMEM_exchange 11
#define XENMEM_machphys_mapping 12
#define XENMEM_maximum_gpfn 14
#define XENMEM_remove_from_physmap 15

struct xen_memory_reservation {
  uint32_t *extent_start;
  uint32_t nr_extents;
  uint32_t extent_order;
  uint32_t mem_flags;
  domid_t domid;
  uint16_t pad;
};
ABI_SIZE(xen_memory_reservation, 20);

struct xen_memory_exchange {
  struct xen_memory_reservation in;
  struct xen_memory_reservation out;
  uint32_t nr_exchanged;
};
ABI_SIZE(xen_memory_exchange, 44);

struct xen_memory_map {
  uint32_t nr_entries; /* in and out */
  void *buffer;
};
ABI_SIZE(xen_memory_map, 8);

/* One E820 entry: 20 bytes, packed by its own field sizes on i386. */
struct e820_entry {
  uint64_t addr;
  uint64_t size;
  uint32_t type;
};
ABI_SIZE(e820_entry, 20);

struct xen_machphys_mapping {
  uint32_t v_start;
  uint32_t v_end;
  uint32_t max_mfn;
};
ABI_SIZE(xen_machphys_mapping, 12);

struct xen_machphys_mfn_list {
  uint32_t max_extents;
  uint32_t *extent_start;
  uint32_t nr_extents; /* out */
};
ABI_SIZE(xen_machphys_mfn_list, 12);

struct xen_add_to_physmap {
  domid_t domid;
  uint16_t size;
  uint32_t space;
  uint32_t idx;
  uint32_t gpfn;
};
ABI_SIZE(xen_add_to_physmap, 16);

struct xen_remove_from_physmap {
  domid_t domid;
  uint16_t pad;
  uint32_t gpfn;
};
ABI_SIZE(xen_remove_from_physmap, 8);

#endif
