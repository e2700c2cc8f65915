/* The XenStore page: two byte rings that carry messages of a header and a payload. */
#ifndef XEN_IO_XS_WIRE_H
#define XEN_IO_XS_WIRE_H

#include "xen/abi.h"

#define XENSTORE_RING_SIZE 1024u
#define XENSTORE_PAYLOAD_MAX 4096u

#define XS_CONTROL 0u
#define XS_DIRECTORY 1u
#define XS_READ 2u
#define XS_GET_PERMS 3u
#define XS_WATCH 4u
#define XS_UNWATCH 5u
#define XS_TRANSACTION_START 6u
#define XS_TRANSACTION_END 7u
#define XS_INTRODUCE 8u
#define XS_GET_DOMAIN_PATH 10u
#define XS_WRITE 11u
#define XS_MKDIR 12u
#define XS_RM 13u
#define XS_SET_PERMS 14u
#define XS_WATCH_EVENT 15u
#define XS_ERROR 16u
#define XS_IS_DOMAIN_INTRODUCED 17u

struct xsd_sockmsg {
  uint32_t type;
  uint32_t req_id;
  uint32_t tx_id; /* 0 = outside any transaction */
  uint32_t len;   /* bytes of payload that follow */
};
ABI_SIZE(xsd_sockmsg, 16);

struct xenstore_interface {
  char req[XENSTORE_RING_SIZE]; /* guest writes */
  char rsp[XENSTORE_RING_SIZE]; /* store writes */
  volatile uint32_t req_cons, req_prod;
  volatile uint32_t rsp_cons, rsp_prod;
  uint32_t server_features;
  uint32_t connection;
  uint32_t error;
  uint32_t evtchn_port;
};
ABI_SIZE(xenstore_interface, 2080);

#endif
