/*
 * When an event upcall happens, and what it may disturb: nothing.
 *
 * - Xen looks at the mask when it is entered or left, not in between: a plain
 *   store that unmasks takes effect at the next trap.
 * - If a trap's gate does not mask, the upcall nests on top of the new trap frame,
 *   before the first instruction of its handler. If it masks, the handler runs
 *   first and the upcall comes when it returns.
 * - An upcall out of ring 3 uses the kernel stack and goes back to ring 3, with all registers.
 * - iret with IF 1 delivers at once what was pending.
 */
#include "events.h"
#include "harness.h"

void unmask_then_int21(uint32_t), unmask_then_hypercall(uint32_t);
extern char user_wait[], user_wait_end[];
extern uint8_t *mask_byte;

static evtchn_port_t near_end;

/* The order of things: one letter each. */
static char order[16];
static unsigned steps;
static void note(char what) {
  if (steps < sizeof order - 1) order[steps++] = what;
  order[steps] = 0;
}

static void on_event(evtchn_port_t port) {
  (void)port;
  note('e');
}

static int on_int21(struct trap_frame *frame) {
  if (frame->vector != 0x21) return 0;
  note('t');
  return 1;
}

static void check_order(const char *what, const char *want) {
  int same = 1;
  for (unsigned i = 0; i <= steps; i++) same &= order[i] == want[i];
  check(same, "%s: order \"%s\", want \"%s\"", what, order, want);
  steps = 0;
  order[0] = 0;
}

static void make_pending(void) {
  events_disable();
  event_send(near_end);
}

static void at_traps(void) {
  trap_hook = on_int21;
  set_gate(0x21, TI_DPL(1));
  make_pending();
  check_order("while masked", "");
  unmask_then_int21(0);
  check_order("a gate that does not mask", "et");

  set_gate(0x21, TI_DPL(1) | TI_MASK_EVENTS);
  make_pending();
  unmask_then_int21(0);
  check_order("a gate that masks", "te");
  trap_hook = 0;

  make_pending();
  unmask_then_hypercall(0);
  check_order("a hypercall", "e");
  check_equal("mask afterwards", *event_mask(), 0);
}

static void in_ring3(void) {
  make_pending();
  struct caught trap = run_in_ring3(user_wait, 0);
  check_order("on the way to ring 3", "e");
  check_equal("ring 3 went on", trap.vector, VECTOR_DONE);
  check_equal("its eip", trap.eip, va_of(user_wait_end) + 2);
  check_equal("its eax", trap.eax, 0x600D);
  check_equal("its esp", trap.esp, va_of(user_stack_top));
  check_equal("mask in ring 3", trap.saved_mask, 0);
  events_disable();
}

TEST("upcalls") {
  events_init();
  mask_byte = event_mask();
  near_end = event_alloc_unbound(DOMID_SELF);
  int far_end = event_bind_interdomain(DOMID_SELF, near_end);
  check(far_end > 0, "bind: %d", far_end);
  event_set_handler((evtchn_port_t)far_end, on_event);
  events_enable();
  check_order("bind", "e");
  at_traps();
  in_ring3();
}
