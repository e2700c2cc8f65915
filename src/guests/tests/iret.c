/*
 * HYPERVISOR_iret, and the native IRET beside it.
 *
 * - To ring 1: EAX, EIP, CS, EFLAGS are consumed, SS and ESP go on as they are.
 *   EAX comes from the frame. The upper half of the CS word does not count.
 * - The event mask becomes the inverse of IF in the frame; the real IF stays 1
 *   and IOPL 0 whatever the frame asks for.
 * - To ring 3: ESP and SS come from the frame as well.
 * - A selector that cannot be loaded is a #GP, raised as if in the target context:
 *   its frame holds what the iret frame held.
 * - The native IRET changes rings too, but neither IF nor IOPL nor the mask.
 */
#include "harness.h"

void iret_here(uint32_t eflags), native_iret_here(uint32_t eflags);
void iret_to(uint32_t frame), native_iret_to(uint32_t frame);
extern char user_result[];
extern volatile struct {
  uint32_t eax, eflags, esp_before, esp_after;
} result;

static void to_ring1(void) {
  iret_here(EFLAGS_IF | EFLAGS_CF | EFLAGS_DF | 2);
  check_equal("eax from the frame", result.eax, 0x600DCAFE);
  check_equal("esp", result.esp_after, result.esp_before);
  check_equal("eflags", result.eflags, EFLAGS_IF | EFLAGS_CF | EFLAGS_DF | 2);
  check_equal("mask after IF 1", *event_mask(), 0);
  iret_here(2);
  check_equal("mask after IF 0", *event_mask(), 1);
  check_equal("the real IF", result.eflags & EFLAGS_IF, EFLAGS_IF);
  iret_here(EFLAGS_IOPL | 2);
  check_equal("IOPL", result.eflags & EFLAGS_IOPL, 0);
}

static void native_to_ring1(void) {
  *event_mask() = 1;
  native_iret_here(EFLAGS_CF | EFLAGS_IF | 2);
  check_equal("native: eax", result.eax, 0x600DCAFE);
  check_equal("native: esp", result.esp_after, result.esp_before);
  check((result.eflags & EFLAGS_CF) != 0, "native: CF");
  check_equal("native: the mask is not touched", *event_mask(), 1);
  native_iret_here(EFLAGS_IOPL | 2);
  check_equal("native: IF and IOPL", result.eflags & (EFLAGS_IF | EFLAGS_IOPL), EFLAGS_IF);
}

static struct caught go(void (*how)(uint32_t), uint32_t eip, uint32_t cs, uint32_t eflags, uint32_t ss) {
  uint32_t frame[5] = {eip, cs, eflags, va_of(user_stack_top) - 16, ss};
  return catch_trap(how, va_of(frame));
}

static void to_ring3(void) {
  struct caught trap = go(iret_to, va_of(user_result), FLAT_RING3_CS, EFLAGS_CF | EFLAGS_IF | 2, FLAT_RING3_DS);
  check_equal("ring 3 was there", trap.vector, VECTOR_DONE);
  check_equal("eax", trap.eax, 0x600DCAFE);
  check_equal("esp", trap.esp, va_of(user_stack_top) - 16);
  check_equal("ss", trap.ss, FLAT_RING3_DS);
  check((trap.eflags & EFLAGS_CF) != 0, "CF");
  check_equal("mask before the trap", trap.saved_mask, 0);
  trap = go(iret_to, va_of(user_result), FLAT_RING3_CS, 2, FLAT_RING3_DS);
  check_equal("IF 0: mask before the trap", trap.saved_mask, 1);
  trap = go(native_iret_to, va_of(user_result), FLAT_RING3_CS, 2, FLAT_RING3_DS);
  check_equal("native: ring 3 was there", trap.vector, VECTOR_DONE);
  check_equal("native: cs", trap.cs, FLAT_RING3_CS);
  check_equal("native: ss", trap.ss, FLAT_RING3_DS);
}

static void bad(const char *what, uint32_t cs, uint32_t ss, uint32_t error) {
  struct caught trap = go(iret_to, va_of(user_result), cs, EFLAGS_IF | 2, ss);
  check(trap.vector == VECTOR_GP, "%s: trap %d, want #GP", what, trap.vector);
  check_equal("its error code", trap.error, error);
  check_equal("its eip", trap.eip, va_of(user_result));
  check_equal("its cs", trap.cs, cs);
  if (cs & 2) check_equal("its esp", trap.esp, va_of(user_stack_top) - 16);
  if (cs & 2) check_equal("its ss", trap.ss, ss);
}

static void bad_selectors(void) {
  bad("cs beyond the GDT, ring 1", 0xF001, 0, 0xF000);
  bad("cs beyond the GDT, ring 3", 0xF003, FLAT_RING3_DS, 0xF000);
  bad("cs is a data segment", FLAT_RING3_DS, FLAT_RING3_DS, FLAT_RING3_DS & ~3u);
  bad("ss of ring 1 for ring 3", FLAT_RING3_CS, FLAT_RING1_DS, FLAT_RING1_DS & ~3u);
  bad("null ss", FLAT_RING3_CS, 0, 0);
}

TEST("iret") {
  to_ring1();
  native_to_ring1();
  to_ring3();
  bad_selectors();
}
