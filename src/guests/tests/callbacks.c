/*
 * callback_op, set_callbacks, nmi_op: registering them, and which kinds there are.
 *
 * - event, failsafe, nmi, sysenter (5) and syscall32 (7) can be registered; others are -ENOSYS.
 * - Only nmi can be unregistered. A bad pointer comes before a bad type.
 * - An event registered this way arrives with the mask set, whatever the flags say.
 */
#include "events.h"
#include "harness.h"

extern char event_entry[], failsafe_entry[];

static int do_register(uint32_t type) {
  struct callback_register request = {(uint16_t)type, 0, FLAT_RING1_CS, va_of(event_entry)};
  return HYPERVISOR_callback_op(CALLBACKOP_register, &request);
}

static int do_unregister(uint32_t type) {
  uint16_t request[2] = {(uint16_t)type, 0};
  return HYPERVISOR_callback_op(CALLBACKOP_unregister, request);
}

static volatile unsigned upcalls, mask;
static void on_event(evtchn_port_t port) {
  (void)port;
  upcalls++;
  mask = *event_mask();
}

TEST("callbacks") {
  static const int results[] = {0, 0, -ENOSYS, -ENOSYS, 0, 0, -ENOSYS, 0, -ENOSYS, -ENOSYS};
  for (unsigned type = 0; type < sizeof results / sizeof results[0]; type++) {
    int rc = do_register(type);
    check(rc == results[type], "register type %u: %d, want %d", type, rc, results[type]);
  }
  check_equal("unregister event", do_unregister(CALLBACKTYPE_event), -EINVAL);
  check_equal("unregister failsafe", do_unregister(CALLBACKTYPE_failsafe), -EINVAL);
  check_equal("unregister nmi", do_unregister(CALLBACKTYPE_nmi), 0);
  check_equal("unregister unknown", do_unregister(99), -ENOSYS);
  check_equal("bad pointer", HYPERVISOR_callback_op(CALLBACKOP_register, 0), -EFAULT);
  int rc = HYPERVISOR_callback_op(99, 0);
  check(rc == -EINVAL || rc == -ENOSYS, "unknown command: %d", rc);
  check_equal("set_callbacks with nothing", HYPERVISOR_set_callbacks(0, 0, 0, 0), 0);

  do_register(CALLBACKTYPE_event);
  evtchn_port_t port = event_alloc_unbound(DOMID_SELF);
  int other = event_bind_interdomain(DOMID_SELF, port);
  check(other > 0, "bind: %d", other);
  event_set_handler((evtchn_port_t)other, on_event);
  events_enable();
  check_equal("upcalls", upcalls, 1);
  check_equal("mask in the upcall", mask, 1);
  check_equal("mask afterwards", *event_mask(), 0);
  events_disable();
  HYPERVISOR_set_callbacks(FLAT_RING1_CS, va_of(event_entry), FLAT_RING1_CS, va_of(failsafe_entry));
}
