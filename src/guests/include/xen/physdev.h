/* physdev_op: the little a domain without devices may ask for. */
#ifndef XEN_PHYSDEV_H
#define XEN_PHYSDEV_H

#include "xen/abi.h"

#define PHYSDEVOP_set_iopl 6
#define PHYSDEVOP_set_iobitmap 7

struct physdev_set_iopl {
  uint32_t iopl;
};
ABI_SIZE(physdev_set_iopl, 4);

struct physdev_set_iobitmap {
  uint8_t *bitmap;
  uint32_t nr_ports;
};
ABI_SIZE(physdev_set_iobitmap, 8);

#endif
