/*
 * Event channels: binding, sending, masking, polling, blocking, and the upcall.
 *
 * - alloc_unbound gives the lowest free port; bind_interdomain connects (also
 *   within one domain) and sets the local port pending at once.
 * - send sets the other end pending; on an unbound port it does nothing and succeeds.
 * - An event becomes an upcall when the upcall mask is 0; the upcall runs with
 *   mask 1 and its iret brings 0 back. A masked port waits for unmask.
 * - poll returns when a port is pending, masked or not, and does not clear it.
 * - block unmasks and sleeps; VIRQ_TIMER wakes it.
 * - Errors: -EINVAL for bad ports and VIRQs, -EEXIST for a VIRQ bound twice, -ENOENT
 *   for a vCPU that is not there, -ESRCH and -EPERM for domains.
 */
#include "cpu.h"
#include "events.h"
#include "harness.h"
#include "xen/sched.h"

static int op(uint32_t cmd, void *arg) { return HYPERVISOR_event_channel_op(cmd, arg); }

static int send(evtchn_port_t port) { return op(EVTCHNOP_send, &(struct evtchn_port){port}); }
static int close(evtchn_port_t port) { return op(EVTCHNOP_close, &(struct evtchn_port){port}); }
static int unmask(evtchn_port_t port) { return op(EVTCHNOP_unmask, &(struct evtchn_port){port}); }

static int pending(evtchn_port_t port) { return test_bit(shared_info->evtchn_pending, port); }
static void set_mask(evtchn_port_t port) { atomic_set_bit(shared_info->evtchn_mask, port); }
static int masked(evtchn_port_t port) { return test_bit((const volatile uint32_t *)shared_info->evtchn_mask,
                                                        port); }

static struct evtchn_status status_of(evtchn_port_t port) {
  struct evtchn_status status = {DOMID_SELF, 0, port, 99, 99, {99, 99}};
  check_equal("status", op(EVTCHNOP_status, &status), 0);
  return status;
}

static volatile unsigned upcalls, mask_in_upcall;
static void count(evtchn_port_t port) {
  (void)port;
  upcalls++;
  mask_in_upcall = *event_mask();
}

/* Two ends within this domain. */
static evtchn_port_t near_end, far_end;

static void binding(void) {
  struct evtchn_alloc_unbound alloc = {DOMID_SELF, DOMID_SELF, 0};
  check_equal("alloc_unbound", op(EVTCHNOP_alloc_unbound, &alloc), 0);
  near_end = alloc.port;
  check(near_end > 0 && near_end < 1024, "port %u", near_end);
  struct evtchn_status status = status_of(near_end);
  check_equal("status of a new port", status.status, EVTCHNSTAT_unbound);
  domid_t self = (domid_t)status.u[0];
  check_equal("send on it", send(near_end), 0);

  struct evtchn_bind_interdomain bind = {DOMID_SELF, 0, near_end, 0};
  check_equal("bind_interdomain", op(EVTCHNOP_bind_interdomain, &bind), 0);
  far_end = bind.local_port;
  check(far_end != near_end && far_end > 0, "local port %u", far_end);
  check(pending(far_end), "the binder's port is not pending");
  atomic_clear_bit(shared_info->evtchn_pending, far_end);
  status = status_of(near_end);
  check_equal("status of a bound port", status.status, EVTCHNSTAT_interdomain);
  check_equal("its vcpu", status.vcpu, 0);
  check_equal("the other domain", status.u[0] & 0xFFFF, self);
  check_equal("the other port", status.u[1], far_end);
  check_equal("bind it again", op(EVTCHNOP_bind_interdomain, &bind), -EINVAL);
}

static void sending(void) {
  check_equal("send", send(near_end), 0);
  check(pending(far_end), "the far end is not pending");
  check(!pending(near_end), "the near end is pending");
  check_equal("no upcall while masked", upcalls, 0);
  check_equal("upcall_pending", shared_info->vcpu_info[0].evtchn_upcall_pending, 1);
  event_set_handler(far_end, count);
  events_enable();
  check_equal("upcall", upcalls, 1);
  check_equal("mask in the upcall", mask_in_upcall, 1);
  check_equal("mask after it", *event_mask(), 0);
  check(!pending(far_end), "still pending");
  send(near_end);
  check_equal("upcall on the way back from send", upcalls, 2);
  events_disable();
}

static void port_mask(void) {
  set_mask(far_end);
  events_enable();
  send(near_end);
  check_equal("upcall of a masked port", upcalls, 2);
  check(pending(far_end), "a masked port is not pending");
  check_equal("unmask", unmask(far_end), 0);
  check(!masked(far_end), "still masked");
  check_equal("upcall after unmask", upcalls, 3);
  events_disable();
}

static void polling(void) {
  evtchn_port_t ports[2] = {near_end, far_end};
  struct sched_poll poll = {ports, 2, 0};
  set_mask(far_end);
  send(near_end);
  check_equal("poll", HYPERVISOR_sched_op(SCHEDOP_poll, &poll), 0);
  check(pending(far_end), "poll has cleared the port");
  atomic_clear_bit(shared_info->evtchn_pending, far_end);
  unmask(far_end);
  ports[0] = 5000;
  check_equal("poll a bad port", HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -EINVAL);
  poll.nr_ports = 129;
  check_equal("poll too many", HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -EINVAL);
  check_equal("poll nothing readable", HYPERVISOR_sched_op(SCHEDOP_poll, 0), -EFAULT);
}

static void timer(void) {
  struct evtchn_bind_virq bind = {VIRQ_TIMER, 0, 0};
  check_equal("bind_virq", op(EVTCHNOP_bind_virq, &bind), 0);
  struct evtchn_status status = status_of(bind.port);
  check_equal("status of a VIRQ port", status.status, EVTCHNSTAT_virq);
  check_equal("its VIRQ", status.u[0], VIRQ_TIMER);
  event_set_handler(bind.port, count);
  upcalls = 0;
  check_equal("set_timer_op in the past", HYPERVISOR_set_timer_op(1), 0);
  events_sleep();
  check(upcalls > 0, "block returned without the timer");
  struct evtchn_bind_virq again = {VIRQ_TIMER, 0, 0};
  check_equal("bind_virq twice", op(EVTCHNOP_bind_virq, &again), -EEXIST);
  check_equal("send on a VIRQ port", send(bind.port), -EINVAL);
  check_equal("close", close(bind.port), 0);
}

static void ipi(void) {
  struct evtchn_bind_ipi bind = {0, 0};
  check_equal("bind_ipi", op(EVTCHNOP_bind_ipi, &bind), 0);
  check_equal("status of an IPI port", status_of(bind.port).status, EVTCHNSTAT_ipi);
  check_equal("send on it", send(bind.port), 0);
  check(pending(bind.port), "an IPI to oneself is not pending");
  struct evtchn_bind_vcpu move = {bind.port, 0};
  check_equal("bind_vcpu of an IPI", op(EVTCHNOP_bind_vcpu, &move), -EINVAL);
  check_equal("close", close(bind.port), 0);
  check(!pending(bind.port), "close left the port pending");
}

static void errors(void) {
  struct evtchn_alloc_unbound alloc = {DOMID_SELF, DOMID_SELF, 77};
  struct evtchn_bind_interdomain bind = {DOMID_SELF, 0, 1000, 77};
  struct evtchn_bind_virq virq = {NR_VIRQS, 0, 77};
  struct evtchn_bind_ipi no_vcpu = {5, 77};
  struct evtchn_bind_vcpu move = {far_end, 5};
  struct evtchn_status status = {DOMID_SELF, 0, 5000, 0, 0, {0, 0}};
  alloc.dom = 0x4321;
  check_equal("alloc_unbound for nobody", op(EVTCHNOP_alloc_unbound, &alloc), -ESRCH);
  check_equal("not written on failure", alloc.port, 77);
  check_equal("bind to a free port", op(EVTCHNOP_bind_interdomain, &bind), -EINVAL);
  bind.remote_dom = 0x4321;
  check_equal("bind to nobody", op(EVTCHNOP_bind_interdomain, &bind), -ESRCH);
  check_equal("no such VIRQ", op(EVTCHNOP_bind_virq, &virq), -EINVAL);
  virq = (struct evtchn_bind_virq){VIRQ_TIMER, 5, 77};
  check_equal("VIRQ of no vCPU", op(EVTCHNOP_bind_virq, &virq), -ENOENT);
  check_equal("IPI of no vCPU", op(EVTCHNOP_bind_ipi, &no_vcpu), -ENOENT);
  check_equal("bind_vcpu to no vCPU", op(EVTCHNOP_bind_vcpu, &move), -ENOENT);
  check_equal("send on port 0", send(0), -EINVAL);
  check_equal("send beyond the table", send(5000), -EINVAL);
  check_equal("close beyond the table", close(5000), -EINVAL);
  check_equal("unmask beyond the table", unmask(5000), -EINVAL);
  check_equal("status beyond the table", op(EVTCHNOP_status, &status), -EINVAL);
  check_equal("status of port 0", status_of(0).status, EVTCHNSTAT_closed);
  check_equal("unknown command", op(99, &status), -ENOSYS);
  check_equal("bad pointer", op(EVTCHNOP_send, 0), -EFAULT);
}

static void closing(void) {
  check_equal("close", close(near_end), 0);
  struct evtchn_status status = status_of(far_end);
  check_equal("the other end", status.status, EVTCHNSTAT_unbound);
  check_equal("close again", close(near_end), -EINVAL);
  struct evtchn_alloc_unbound alloc = {DOMID_SELF, DOMID_SELF, 0};
  op(EVTCHNOP_alloc_unbound, &alloc);
  check_equal("the lowest free port is used again", alloc.port, near_end);
}

TEST("events") {
  events_init();
  struct evtchn_status store = status_of(start_info->store_evtchn);
  check_equal("the store's port", store.status, EVTCHNSTAT_interdomain);
  binding();
  sending();
  port_mask();
  polling();
  timer();
  ipi();
  errors();
  closing();
}
