/* sched_op: giving the processor away, for a moment or for ever. */
#ifndef XEN_SCHED_H
#define XEN_SCHED_H

#include "xen/abi.h"

#define SCHEDOP_yield 0
#define SCHEDOP_block 1
#define SCHEDOP_shutdown 2
#define SCHEDOP_poll 3
#define SCHEDOP_watchdog 6

#define SHUTDOWN_poweroff 0u
#define SHUTDOWN_reboot 1u
#define SHUTDOWN_crash 3u

struct sched_shutdown {
  uint32_t reason;
};
ABI_SIZE(sched_shutdown, 4);

struct sched_poll {
  evtchn_port_t *ports;
  uint32_t nr_ports;
  uint64_t timeout; /* absolute system time in ns; 0 = none */
};
ABI_SIZE(sched_poll, 16);

struct sched_watchdog {
  uint32_t id;
  uint32_t timeout; /* seconds */
};
ABI_SIZE(sched_watchdog, 8);

#endif
