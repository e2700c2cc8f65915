/*
 * Every return from Xen loads CS and SS from the descriptor tables as they are then.
 *
 * - A segment that changed while its kernel was in a hypercall means the new thing
 *   from the next instruction on.
 * - If it cannot be loaded any more, the exception is raised at that next
 *   instruction, with the selector as error code: #NP for CS, #SS for SS, #GP for
 *   the wrong type; #GP(0) if EIP lies outside the new limit.
 * - So it is on the way back to ring 3, by HYPERVISOR_iret.
 * - Loading sets the accessed bit.
 */
#include "harness.h"

void visit_under(uint32_t selector);
void iret_with(uint32_t frame);
extern char at_home_again[], user_ud[], user_after_ud[];
extern volatile uint32_t visit_maddr;
extern volatile uint64_t visit_descriptor;

static PAGE_ALIGNED uint64_t gdt[512];

enum { CODE1 = 1, CODE3, STACK3 };
#define SELECTOR(index, ring) ((uint32_t)(index)*8 + (ring))

#define CODE1_FLAT 0x00CFBA000000FFFFull
#define CODE3_FLAT 0x00CFFA000000FFFFull
#define DATA3_FLAT 0x00CFF2000000FFFFull
#define PRESENT 0x0000800000000000ull
#define ACCESSED 0x0000010000000000ull
#define ONE_PAGE 0x0040BA0000000FFFull /* ring-1 code, 4096 bytes */
#define ONE_PAGE3 0x0040FA0000000FFFull

static uint64_t place_of(uint32_t index) { return make_pte(va_to_mfn(va_of(gdt)), index * 8); }
static void put(uint32_t index, uint64_t value) {
  check_equal("update_descriptor", HYPERVISOR_update_descriptor(place_of(index), value), 0);
}

static void install(void) {
  uint32_t mfn = va_to_mfn(va_of(gdt));
  gdt[CODE1] = CODE1_FLAT;
  gdt[CODE3] = CODE3_FLAT;
  gdt[STACK3] = DATA3_FLAT;
  check_equal("read-only", remap_page(va_of(gdt), PTE_P | PTE_A | PTE_D), 0);
  check_equal("set_gdt", HYPERVISOR_set_gdt(&mfn, 512), 0);
}

static void in_ring1(const char *what, uint64_t value, int vector, uint32_t error) {
  put(CODE1, CODE1_FLAT);
  visit_maddr = (uint32_t)place_of(CODE1);
  visit_descriptor = value;
  if (vector == NO_TRAP) {
    expect_no_trap(what, visit_under, SELECTOR(CODE1, 1));
    return;
  }
  struct caught trap = expect_trap(what, visit_under, SELECTOR(CODE1, 1), vector, error, at_home_again);
  check_equal("its cs", trap.cs, SELECTOR(CODE1, 1));
}

static uint32_t changed_index;
static uint64_t changed_to;
static int change(struct trap_frame *frame) {
  if (frame->vector != VECTOR_UD) return 0;
  put(changed_index, changed_to);
  frame->eip += 2;
  return 1;
}

static void in_ring3(const char *what, uint32_t index, uint64_t value, int vector, uint32_t error) {
  uint32_t frame[5] = {va_of(user_ud), SELECTOR(CODE3, 3), EFLAGS_IF | 2, va_of(user_stack_top) - 16,
                       SELECTOR(STACK3, 3)};
  put(CODE3, CODE3_FLAT);
  put(STACK3, DATA3_FLAT);
  changed_index = index;
  changed_to = value;
  trap_hook = change;
  struct caught trap = catch_trap(iret_with, va_of(frame));
  trap_hook = 0;
  check(trap.vector == vector, "%s: trap %d, want %d", what, trap.vector, vector);
  check(trap.error == error, "%s: error 0x%x, want 0x%x", what, trap.error, error);
  check_equal("its eip", trap.eip, va_of(user_after_ud) + (vector == VECTOR_DONE ? 2 : 0));
  check_equal("its cs", trap.cs, SELECTOR(CODE3, 3));
  check_equal("its ss", trap.ss, SELECTOR(STACK3, 3));
}

TEST("returns") {
  install();
  in_ring1("the same again", CODE1_FLAT, NO_TRAP, 0);
  check((((volatile uint64_t *)gdt)[CODE1] & ACCESSED) != 0, "the accessed bit");
  in_ring1("absent", CODE1_FLAT & ~PRESENT, VECTOR_NP, SELECTOR(CODE1, 0));
  in_ring1("a data segment", 0x00CFB2000000FFFFull, VECTOR_GP, SELECTOR(CODE1, 0));
  in_ring1("for ring 3", CODE3_FLAT, VECTOR_GP, SELECTOR(CODE1, 0));
  in_ring1("one page", ONE_PAGE, VECTOR_GP, 0);

  in_ring3("the same again", CODE3, CODE3_FLAT, VECTOR_DONE, 0);
  in_ring3("cs absent", CODE3, CODE3_FLAT & ~PRESENT, VECTOR_NP, SELECTOR(CODE3, 0));
  in_ring3("ss absent", STACK3, DATA3_FLAT & ~PRESENT, VECTOR_SS, SELECTOR(STACK3, 0));
  in_ring3("ss read-only", STACK3, 0x00CFF0000000FFFFull, VECTOR_GP, SELECTOR(STACK3, 0));
  in_ring3("one page of code", CODE3, ONE_PAGE3, VECTOR_GP, 0);
}
