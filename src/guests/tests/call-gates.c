/*
 * Call gates: a way from ring 3 into the kernel that needs no interrupt.
 *
 * - In the table a gate has DPL 0, and the DPL it was given in the RPL of its
 *   target, so that using it comes to Xen.
 * - A call from ring 3 goes on on the kernel's stack with SS, ESP, the parameters,
 *   CS and EIP; RETF goes back. A call from ring 1 stays on its stack.
 * - A gate whose DPL is too low is #GP, one that is not present #NP, both with the
 *   gate's selector and at the call.
 */
#include "harness.h"

extern char behind_gate[], landing[], user_call[], user_at_call[], user_back[], kernel_at_call[];
void kernel_call(uint32_t parameter), kernel_jump(uint32_t);
extern volatile uint32_t gate_frame[5], gate_cs;

static PAGE_ALIGNED uint64_t gdt[512];
#define GATE 8u
#define ERROR (GATE * 8)

static uint64_t gate_to(const void *target, uint32_t dpl, uint32_t parameters) {
  uint32_t at = va_of(target);
  uint32_t low = FLAT_RING1_CS << 16 | (at & 0xFFFF);
  uint32_t high = (at & 0xFFFF0000u) | 0x8C00u | dpl << 13 | parameters;
  return (uint64_t)high << 32 | low;
}
static void put(uint64_t value) {
  check_equal("update_descriptor", HYPERVISOR_update_descriptor(make_pte(va_to_mfn(va_of(gdt)), GATE * 8), value),
              0);
}

static void from_ring3(void) {
  put(gate_to(behind_gate, 3, 1));
  uint64_t stored = ((volatile uint64_t *)gdt)[GATE];
  check_equal("DPL in the table", stored >> 45 & 3, 0);
  check_equal("RPL of its target", stored >> 16 & 0xFFFF, FLAT_RING1_CS | 3);
  struct caught trap = run_in_ring3(user_call, 0);
  check_equal("back in ring 3", trap.vector, VECTOR_DONE);
  check_equal("eip", trap.eip, va_of(user_back) + 2);
  check_equal("eax", trap.eax, 0x600DCA11);
  check_equal("esp", trap.esp, va_of(user_stack_top));
  check_equal("frame: eip", gate_frame[0], va_of(user_back));
  check_equal("frame: cs", gate_frame[1] & 0xFFFF, FLAT_RING3_CS);
  check_equal("frame: parameter", gate_frame[2], 0x1234);
  check_equal("frame: esp", gate_frame[3], va_of(user_stack_top) - 4);
  check_equal("frame: ss", gate_frame[4] & 0xFFFF, FLAT_RING3_DS);
  check_equal("cs behind the gate", gate_cs & 0xFFFF, FLAT_RING1_CS);
}

static void from_ring1(void) {
  put(gate_to(behind_gate, 1, 1));
  expect_no_trap("call", kernel_call, 0x4321);
  check_equal("frame: cs", gate_frame[1] & 0xFFFF, FLAT_RING1_CS);
  check_equal("frame: parameter", gate_frame[2], 0x4321);
  put(gate_to(landing, 1, 0));
  expect_no_trap("jump", kernel_jump, 0);
}

static void refused(void) {
  put(gate_to(behind_gate, 1, 1));
  struct caught trap = run_in_ring3(user_call, 0);
  check_equal("DPL 1 from ring 3", trap.vector, VECTOR_GP);
  check_equal("its error code", trap.error, ERROR);
  check_equal("its eip", trap.eip, va_of(user_at_call));
  put(gate_to(behind_gate, 3, 1) & ~0x0000800000000000ull);
  expect_trap("absent, ring 1", kernel_call, 0, VECTOR_NP, ERROR, kernel_at_call);
  put(0);
  expect_trap("nothing there", kernel_call, 0, VECTOR_GP, ERROR, kernel_at_call);
}

TEST("call-gates") {
  uint32_t mfn = va_to_mfn(va_of(gdt));
  check_equal("read-only", remap_page(va_of(gdt), PTE_P | PTE_A | PTE_D), 0);
  check_equal("set_gdt", HYPERVISOR_set_gdt(&mfn, 512), 0);
  from_ring3();
  from_ring1();
  refused();
}
