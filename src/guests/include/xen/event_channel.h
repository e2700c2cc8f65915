/* event_channel_op: doorbells between domains. A port is this domain's number for one end. */
#ifndef XEN_EVENT_CHANNEL_H
#define XEN_EVENT_CHANNEL_H

#include "xen/abi.h"

#define EVTCHNOP_bind_interdomain 0
#define EVTCHNOP_bind_virq 1
#define EVTCHNOP_bind_pirq 2
#define EVTCHNOP_close 3
#define EVTCHNOP_send 4
#define EVTCHNOP_status 5
#define EVTCHNOP_alloc_unbound 6
#define EVTCHNOP_bind_ipi 7
#define EVTCHNOP_bind_vcpu 8
#define EVTCHNOP_unmask 9
#define EVTCHNOP_reset 10

#define VIRQ_TIMER 0u
#define VIRQ_DEBUG 1u
#define NR_VIRQS 24u

struct evtchn_bind_interdomain {
  domid_t remote_dom;
  uint16_t pad;
  evtchn_port_t remote_port;
  evtchn_port_t local_port; /* out */
};
ABI_SIZE(evtchn_bind_interdomain, 12);

struct evtchn_bind_virq {
  uint32_t virq;
  uint32_t vcpu;
  evtchn_port_t port; /* out */
};
ABI_SIZE(evtchn_bind_virq, 12);

struct evtchn_port {
  evtchn_port_t port;
};
ABI_SIZE(evtchn_port, 4);

#define EVTCHNSTAT_closed 0u
#define EVTCHNSTAT_unbound 1u
#define EVTCHNSTAT_interdomain 2u
#define EVTCHNSTAT_pirq 3u
#define EVTCHNSTAT_virq 4u
#define EVTCHNSTAT_ipi 5u

struct evtchn_status {
  domid_t dom;
  uint16_t pad;
  evtchn_port_t port;
  uint32_t status; /* out, as the rest */
  uint32_t vcpu;
  uint32_t u[2]; /* interdomain: domid, port; unbound: domid; virq: its number */
};
ABI_SIZE(evtchn_status, 24);

struct evtchn_alloc_unbound {
  domid_t dom;
  domid_t remote_dom;
  evtchn_port_t port; /* out */
};
ABI_SIZE(evtchn_alloc_unbound, 8);

struct evtchn_bind_ipi {
  uint32_t vcpu;
  evtchn_port_t port; /* out */
};
ABI_SIZE(evtchn_bind_ipi, 8);

struct evtchn_bind_vcpu {
  evtchn_port_t port;
  uint32_t vcpu;
};
ABI_SIZE(evtchn_bind_vcpu, 8);

#endif
