/*
 * sched_op and console_io: what a domain may ask for, and how it is told no.
 *
 * - yield and block answer 0; block with an event pending does not sleep, and unmasks.
 * - poll: nothing to wait for but a time; the watchdog has two timers.
 * - Shutting others down is -EPERM; unknown commands are -ENOSYS; bad pointers -EFAULT.
 * - console_io: writing is allowed, reading and unknown commands are -EPERM.
 */
#include "cpu.h"
#include "events.h"
#include "harness.h"
#include "xen/sched.h"

static int op(uint32_t cmd, void *arg) { return HYPERVISOR_sched_op(cmd, arg); }

static volatile unsigned events;
static void on_event(evtchn_port_t port) {
  (void)port;
  events++;
}

static void blocking(void) {
  evtchn_port_t port = event_alloc_unbound(DOMID_SELF);
  event_set_handler((evtchn_port_t)event_bind_interdomain(DOMID_SELF, port), on_event);
  check_equal("block with an event pending", op(SCHEDOP_block, 0), 0);
  check_equal("the event", events, 1);
  check_equal("mask after block", *event_mask(), 0);
  events_disable();
  check_equal("yield", op(SCHEDOP_yield, 0), 0);
  check_equal("yield keeps the mask", *event_mask(), 1);
}

static void polling(void) {
  struct sched_poll poll = {0, 0, 1}; /* no ports, a time long past */
  check_equal("poll for nothing", op(SCHEDOP_poll, &poll), 0);
  check_equal("poll keeps the mask", *event_mask(), 1);
  poll.nr_ports = 1;
  poll.ports = 0;
  check_equal("poll an unreadable list", op(SCHEDOP_poll, &poll), -EFAULT);
}

static void watchdogs(void) {
  struct sched_watchdog request = {0, 1000};
  int first = op(SCHEDOP_watchdog, &request);
  int second = op(SCHEDOP_watchdog, &request);
  check(first >= 1 && first <= 2 && second >= 1 && second <= 2 && first != second, "watchdogs %d and %d",
        first, second);
  check_equal("a third watchdog", op(SCHEDOP_watchdog, &request), -ENOSPC);
  request.id = (uint32_t)first;
  check_equal("re-arm", op(SCHEDOP_watchdog, &request), 0);
  request.timeout = 0;
  check_equal("destroy", op(SCHEDOP_watchdog, &request), 0);
  check_equal("destroy again", op(SCHEDOP_watchdog, &request), -EINVAL);
  request.id = (uint32_t)second;
  op(SCHEDOP_watchdog, &request);
  request.id = 7;
  check_equal("watchdog 7", op(SCHEDOP_watchdog, &request), -EINVAL);
}

static void refused(void) {
  check_equal("shutdown for no reason", op(SCHEDOP_shutdown, 0), -EFAULT);
  check_equal("unknown command", op(99, 0), -ENOSYS);
}

static void console(void) {
  static char text[4];
  check_equal("write nothing", HYPERVISOR_console_io(CONSOLEIO_write, 0, text), 0);
  check_equal("write from nowhere", HYPERVISOR_console_io(CONSOLEIO_write, 4, 0), -EFAULT);
  check_equal("read", HYPERVISOR_console_io(CONSOLEIO_read, 4, text), -EPERM);
  check_equal("unknown command", HYPERVISOR_console_io(99, 4, text), -EPERM);
}

TEST("scheduling") {
  events_init();
  blocking();
  polling();
  watchdogs();
  refused();
  console();
}
