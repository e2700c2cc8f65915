/*
 * The generic shared ring: one page, two indices for each direction.
 *
 *   req_prod   the frontend has written requests up to here
 *   req_event  "wake me (the backend) when req_prod passes this"
 *   rsp_prod   the backend has written responses up to here
 *   rsp_event  "wake me (the frontend) when rsp_prod passes this"
 *
 * Indices run freely through 2^32; slot = index & (slots - 1). A response takes
 * the slot of a request that has been read, so one array serves both directions.
 * Every index has one writer. The consumers' own positions are private.
 */
#ifndef XEN_IO_RING_H
#define XEN_IO_RING_H

#include "xen/abi.h"

struct ring_header {
  volatile uint32_t req_prod;
  volatile uint32_t req_event;
  volatile uint32_t rsp_prod;
  volatile uint32_t rsp_event;
  uint32_t pad[12];
};
ABI_SIZE(ring_header, 64);

/*
 * Must a producer that moved its index from `old` to `now` ring the bell?
 * Only if the place the consumer asked about lies in between: (old, now].
 * The subtraction is modulo 2^32, so it stays true when the indices wrap.
 */
static inline int ring_must_notify(uint32_t old, uint32_t now, uint32_t event) {
  return now - event < now - old;
}

#endif
