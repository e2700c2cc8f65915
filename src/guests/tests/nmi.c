/*
 * Non-maskable interrupts, sent to oneself.
 *
 * - nmi_op (or callback_op) names a handler; VCPUOP_send_nmi raises one.
 * - It arrives even with events masked, as vector 2 without an error code, and its handler runs with events masked.
 * - While a handler is at work the next NMI waits: HYPERVISOR_iret lets it in.
 */
#include "harness.h"
#include "xen/vcpu.h"

#define NMIOP_register_callback 0
#define NMIOP_unregister_callback 1
#define VECTOR_NMI 2

static unsigned arrived, depth, deepest, mask_in_handler;

static int send_nmi(void) { return HYPERVISOR_vcpu_op(VCPUOP_send_nmi, 0, 0); }

static int on_nmi(struct trap_frame *frame) {
  if (frame->vector != VECTOR_NMI) return 0;
  if (++depth > deepest) deepest = depth;
  mask_in_handler = *event_mask();
  if (++arrived == 1) send_nmi(); /* must wait until this handler has returned */
  depth--;
  return 1;
}

TEST("nmi") {
  struct {
    uint32_t handler, pad;
  } request = {trap_stub[VECTOR_NMI], 0};
  check_equal("register", HYPERVISOR_nmi_op(NMIOP_register_callback, &request), 0);
  check_equal("bad pointer", HYPERVISOR_nmi_op(NMIOP_register_callback, 0), -EFAULT);
  trap_hook = on_nmi;
  *event_mask() = 1;
  check_equal("send", send_nmi(), 0);
  check_equal("arrived", arrived, 2);
  check_equal("one within another", deepest, 1);
  check_equal("mask in the handler", mask_in_handler, 1);
  check_equal("mask afterwards", *event_mask(), 1);
  *event_mask() = 0;
  send_nmi();
  check_equal("mask in the handler", mask_in_handler, 1);
  check_equal("mask afterwards", *event_mask(), 0);
  check_equal("arrived", arrived, 3);
  check_equal("unregister", HYPERVISOR_nmi_op(NMIOP_unregister_callback, 0), 0);
}
