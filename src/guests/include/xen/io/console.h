/* The console page: two byte rings. Indices run freely; take them modulo the size. */
#ifndef XEN_IO_CONSOLE_H
#define XEN_IO_CONSOLE_H

#include "xen/abi.h"

#define CONSOLE_IN_SIZE 1024u
#define CONSOLE_OUT_SIZE 2048u

struct xencons_interface {
  char in[CONSOLE_IN_SIZE];   /* backend writes, guest reads */
  char out[CONSOLE_OUT_SIZE]; /* guest writes, backend reads */
  volatile uint32_t in_cons, in_prod;
  volatile uint32_t out_cons, out_prod;
  uint8_t connection;
  uint8_t pad[3];
};
ABI_SIZE(xencons_interface, 3092);

#endif
