/*
 * Event channels: the interrupts of a paravirtual machine.
 *
 * Three levels of flags lead to an event, so that nobody has to search 1024
 * ports: upcall_pending (anything?), pending_sel (which words?), evtchn_pending
 * (which ports?). Xen sets them from the port upwards; they are cleared from
 * the top down, each before the level below is read. An event that arrives
 * meanwhile sets its flags again: nothing is lost, at worst a look is wasted.
 */
#include "cpu.h"
#include "events.h"
#include "hypercall.h"
#include "memory.h"
#include "print.h"
#include "xen/sched.h"

#define NR_HANDLERS 64

extern char event_entry[], failsafe_entry[];

static event_handler handlers[NR_HANDLERS];

static volatile struct vcpu_info *this_vcpu(void) { return &shared_info->vcpu_info[0]; }

/* Called by event_entry, with events masked. */
void event_upcall(void) {
  volatile struct vcpu_info *vcpu = this_vcpu();
  while (vcpu->evtchn_upcall_pending) {
    vcpu->evtchn_upcall_pending = 0;
    uint32_t words = atomic_exchange(&vcpu->evtchn_pending_sel, 0);
    for (; words != 0; words &= words - 1) {
      uint32_t word = lowest_bit(words);
      uint32_t ports;
      while ((ports = shared_info->evtchn_pending[word] & ~shared_info->evtchn_mask[word]) != 0) {
        evtchn_port_t port = word * 32 + lowest_bit(ports);
        atomic_clear_bit(shared_info->evtchn_pending, port);
        if (port < NR_HANDLERS && handlers[port]) handlers[port](port);
      }
    }
  }
}

/* Called by failsafe_entry. */
void failsafe(void) { panic("failsafe callback: a segment register could not be restored"); }

void events_init(void) {
  map_shared_info();
  HYPERVISOR_set_callbacks(FLAT_RING1_CS, va_of(event_entry), FLAT_RING1_CS, va_of(failsafe_entry));
}

void event_set_handler(evtchn_port_t port, event_handler handler) {
  if (port >= NR_HANDLERS) panic("port %u: this kernel has room for %u", port, NR_HANDLERS);
  handlers[port] = handler;
}

void events_disable(void) { this_vcpu()->evtchn_upcall_mask = 1; }

/*
 * Xen looks at the mask only when it is entered. What became pending while we
 * were masked would wait for the next trap, so we look ourselves and, if need
 * be, enter Xen with the cheapest hypercall there is.
 */
void events_enable(void) {
  volatile struct vcpu_info *vcpu = this_vcpu();
  vcpu->evtchn_upcall_mask = 0;
  memory_barrier();
  if (vcpu->evtchn_upcall_pending) HYPERVISOR_xen_version(0, 0);
}

void events_sleep(void) {
  HYPERVISOR_sched_op(SCHEDOP_block, 0);
  events_disable();
}

void event_send(evtchn_port_t port) {
  struct evtchn_port request = {port};
  int rc = HYPERVISOR_event_channel_op(EVTCHNOP_send, &request);
  if (rc != 0) panic("send on port %u: %d", port, rc);
}

evtchn_port_t event_alloc_unbound(domid_t remote) {
  struct evtchn_alloc_unbound request = {DOMID_SELF, remote, 0};
  int rc = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &request);
  if (rc != 0) panic("no event channel for domain %u: %d", remote, rc);
  return request.port;
}

int event_bind_interdomain(domid_t remote, evtchn_port_t remote_port) {
  struct evtchn_bind_interdomain request = {remote, 0, remote_port, 0};
  int rc = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &request);
  return rc == 0 ? (int)request.local_port : rc;
}

void event_close(evtchn_port_t port) {
  struct evtchn_port request = {port};
  HYPERVISOR_event_channel_op(EVTCHNOP_close, &request);
}
