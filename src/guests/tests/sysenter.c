/*
 * SYSENTER, the fast way from user code into a kernel that has registered a callback for it.
 *
 * - Without a callback it is #GP(0). The processor leaves no address behind, so
 *   that the frame has a null CS of ring 3, EIP 0 and ESP 0.
 * - With one, the callback is entered on the kernel's stack with a frame of the
 *   same kind and no error code; the mask is set if the callback asked for it.
 * - NT stands in the frame, not in the handler's EFLAGS.
 * - In ring 1 it does the same: the processor does not ask where it comes from.
 */
#include "harness.h"

extern char sysenter_entry[], user_sysenter[], user_sysenter_nt[], user_after[];
void sysenter_in_ring1(uint32_t);
extern volatile uint32_t sysenter_frame[5], sysenter_eflags, sysenter_esp;

#define CALLBACKTYPE_sysenter 5u
#define CALLBACKF_mask_events 1u
#define NULL_RING3 3u
#define LEAF1_SEP (1u << 11)

static void as_left_by_sysenter(const char *what, struct caught trap) {
  check(trap.vector == VECTOR_GP && trap.error == 0, "%s: trap %d, error 0x%x", what, trap.vector, trap.error);
  check_equal("eip", trap.eip, 0);
  check_equal("cs", trap.cs, NULL_RING3);
  check_equal("esp", trap.esp, 0);
  check_equal("ss", trap.ss, FLAT_RING3_DS);
}

static void enters(const char *what, const void *code, uint32_t masks, uint32_t flags) {
  struct callback_register request = {CALLBACKTYPE_sysenter, (uint16_t)masks, FLAT_RING1_CS, va_of(sysenter_entry)};
  check_equal("register", HYPERVISOR_callback_op(CALLBACKOP_register, &request), 0);
  sysenter_frame[1] = 0;
  struct caught trap = run_in_ring3(code, 0);
  check(trap.vector == VECTOR_DONE, "%s: trap %d", what, trap.vector);
  check_equal("eip in ring 3", trap.eip, va_of(user_after) + 2);
  check_equal("eax", trap.eax, 0x600D5E17);
  check_equal("the callback's stack", sysenter_esp, va_of(trap_stack_top) - 20);
  check_equal("frame: eip", sysenter_frame[0], 0);
  check_equal("frame: cs and mask", sysenter_frame[1], NULL_RING3);
  check_equal("frame: IF and NT", sysenter_frame[2] & (EFLAGS_IF | EFLAGS_NT), EFLAGS_IF | flags);
  check_equal("frame: esp", sysenter_frame[3], 0);
  check_equal("frame: ss", sysenter_frame[4], FLAT_RING3_DS);
  check_equal("NT in the callback", sysenter_eflags & EFLAGS_NT, 0);
}

TEST("sysenter") {
  as_left_by_sysenter("without a callback", run_in_ring3(user_sysenter, 0));
  as_left_by_sysenter("in ring 1", catch_trap(sysenter_in_ring1, 0));
  enters("with one", user_sysenter, 0, 0);
  enters("with NT", user_sysenter_nt, CALLBACKF_mask_events, EFLAGS_NT);
}
