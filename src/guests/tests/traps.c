/*
 * Exceptions and software interrupts through the trap table.
 *
 * - Faults point at the instruction, INT3, INTO and INT n behind it.
 * - From ring 1 the frame lands on the stack in use, from ring 3 on the one
 *   stack_switch named, with SS and ESP of the interrupted code.
 * - A gate with the mask flag masks events; the old mask stands beside CS, and
 *   IF of the saved EFLAGS is its inverse. A gate without it leaves the mask alone.
 * - INT n needs DPL >= 1 from ring 1 and 3 from ring 3, or it is #GP(n * 8 + 2).
 *   An empty slot has DPL 0. INT3 and INTO are not checked.
 * - INT 0x80 from ring 3 goes straight to a slot of DPL 3 that does not mask.
 * - #PF: the U bit of the error code is set unless ring 1 was interrupted; CR2 is
 *   in vcpu_info.
 * - set_trap_table raises the RPL of CS to 1, keeps the entries before an
 *   unreadable one, and with NULL empties the table.
 */
#include "harness.h"

void try_ud2(uint32_t), try_int3(uint32_t), try_into(uint32_t), try_div(uint32_t), try_bound(uint32_t);
void try_int21(uint32_t), try_int2f(uint32_t), try_single_step(uint32_t);
void try_load_ds(uint32_t), try_load_ss(uint32_t);
extern char at_ud2[], after_int3[], after_into[], at_div[], at_bound[], at_int21[], after_int21[], at_int2f[];
extern char after_step[], at_load_ds[], at_load_ss[];
extern char user_int3[], user_after_int3[], user_int21[], user_int82[], user_int80[], user_after_int80[];
extern char user_load[], user_store[], user_ud2[], user_cli[];

/* `before` ends where `page` begins. */
static PAGE_ALIGNED struct {
  char before[PAGE_SIZE];
  char page[PAGE_SIZE];
} pages;
#define page pages.page

static void exceptions(void) {
  struct caught trap = expect_trap("ud2", try_ud2, 0, VECTOR_UD, 0, at_ud2);
  check_equal("cs", trap.cs, FLAT_RING1_CS);
  check_equal("cs of the handler", trap.handler_cs, FLAT_RING1_CS);
  check_equal("IOPL in the frame", trap.eflags & EFLAGS_IOPL, 0);
  expect_trap("int3", try_int3, 0, VECTOR_BP, 0, after_int3);
  expect_trap("into", try_into, 0, VECTOR_OF, 0, after_into);
  expect_trap("div by 0", try_div, 0, VECTOR_DE, 0, at_div);
  expect_trap("bound", try_bound, 0, VECTOR_BR, 0, at_bound);
  trap = expect_trap("single step", try_single_step, 0, VECTOR_DB, 0, after_step);
  check((trap.eflags & EFLAGS_TF) != 0, "single step: TF is not in the frame");
  check((read_eflags() & EFLAGS_TF) == 0, "single step: TF is still on in the handler");
}

static void selectors(void) {
  expect_trap("ds of an empty descriptor", try_load_ds, 0x9, VECTOR_GP, 0x8, at_load_ds);
  expect_trap("ds of Xen's TSS", try_load_ds, 0xE041, VECTOR_GP, 0xE040, at_load_ds);
  expect_trap("ds of an empty LDT", try_load_ds, 0xD, VECTOR_GP, 0xC, at_load_ds);
  expect_trap("ds of ring 0", try_load_ds, 0xE010, VECTOR_GP, 0xE010, at_load_ds);
  expect_trap("null ss", try_load_ss, 0, VECTOR_GP, 0, at_load_ss);
  expect_trap("ss of ring 3", try_load_ss, FLAT_RING3_DS, VECTOR_GP, FLAT_RING3_DS & ~3u, at_load_ss);
  expect_no_trap("ds of ring 3", try_load_ds, FLAT_RING3_DS);
  expect_no_trap("null ds", try_load_ds, 0);
}

static void page_faults(void) {
  struct caught trap = expect_trap("load from nowhere", load_byte, 0x00000123, VECTOR_PF, 0, load_byte_at);
  check_equal("cr2", trap.cr2, 0x00000123);
  trap = expect_trap("store to nowhere", store_byte, 0x0BADF00D, VECTOR_PF, 2, store_byte_at);
  check_equal("cr2", trap.cr2, 0x0BADF00D);
  trap = expect_trap("store to a page table", store_byte, start_info->pt_base + 5, VECTOR_PF, 3, store_byte_at);
  check_equal("cr2", trap.cr2, start_info->pt_base + 5);

  trap = run_in_ring3(user_load, va_of(page));
  check_equal("ring 3 loads from the kernel", trap.vector, VECTOR_PF);
  check_equal("its error code", trap.error, 5);
  check_equal("its cr2", trap.cr2, va_of(page));
  trap = run_in_ring3(user_store, va_of(page));
  check_equal("ring 3 stores to the kernel", trap.error, 7);
  trap = run_in_ring3(user_load, 0x00001000);
  check_equal("ring 3 loads from nowhere", trap.error, 4);
  trap = run_in_ring3(user_load, HYPERVISOR_VIRT_START);
  check_equal("ring 3 loads from the M2P", trap.vector, VECTOR_DONE);
}

static void from_ring3(void) {
  struct caught trap = run_in_ring3(user_ud2, 0);
  check_equal("ud2 in ring 3", trap.vector, VECTOR_UD);
  check_equal("its eip", trap.eip, va_of(user_ud2));
  check_equal("its cs", trap.cs, FLAT_RING3_CS);
  check_equal("its ss", trap.ss, FLAT_RING3_DS);
  check_equal("its esp", trap.esp, va_of(user_stack_top));
  trap = run_in_ring3(user_cli, 0);
  check_equal("cli in ring 3", trap.vector, VECTOR_GP);
  check_equal("its error code", trap.error, 0);
  trap = run_in_ring3(user_int3, 0);
  check_equal("int3 in ring 3, DPL 0", trap.vector, VECTOR_BP);
  check_equal("its eip", trap.eip, va_of(user_after_int3));
}

static void masking(void) {
  *event_mask() = 0;
  set_gate(VECTOR_UD, GATE_KERNEL);
  struct caught trap = expect_trap("masking gate", try_ud2, 0, VECTOR_UD, 0, at_ud2);
  check_equal("masking gate: mask before", trap.saved_mask, 0);
  check_equal("masking gate: mask in the handler", trap.mask_in_handler, 1);
  check((trap.eflags & EFLAGS_IF) != 0, "mask 0 must show as IF 1");
  set_gate(VECTOR_UD, TI_DPL(0));
  trap = expect_trap("plain gate", try_ud2, 0, VECTOR_UD, 0, at_ud2);
  check_equal("plain gate: mask in the handler", trap.mask_in_handler, 0);
  *event_mask() = 1;
  trap = expect_trap("plain gate, masked before", try_ud2, 0, VECTOR_UD, 0, at_ud2);
  check_equal("mask before", trap.saved_mask, 1);
  check((trap.eflags & EFLAGS_IF) == 0, "mask 1 must show as IF 0");
  set_gate(VECTOR_UD, GATE_KERNEL);
}

static int keep_eax(struct trap_frame *frame) { return frame->vector == 0x21; }

static void software_interrupts(void) {
  expect_trap("int of an empty slot", try_int2f, 0, VECTOR_GP, IDT_ERROR(0x2F), at_int2f);
  set_gate(0x21, TI_DPL(0));
  expect_trap("int 0x21, DPL 0", try_int21, 0, VECTOR_GP, IDT_ERROR(0x21), at_int21);
  set_gate(0x21, TI_DPL(1) | TI_MASK_EVENTS);
  expect_trap("int 0x21, DPL 1", try_int21, 0, 0x21, 0, after_int21);
  trap_hook = keep_eax;
  expect_no_trap("int 0x21 and back", try_int21, 0);
  trap_hook = 0;

  struct caught trap = run_in_ring3(user_int21, 0);
  check_equal("int 0x21 from ring 3, DPL 1", trap.vector, VECTOR_GP);
  check_equal("its error code", trap.error, IDT_ERROR(0x21));
  check_equal("its eip", trap.eip, va_of(user_int21));
  set_gate(0x21, TI_DPL(3));
  trap = run_in_ring3(user_int21, 0);
  check_equal("int 0x21 from ring 3, DPL 3", trap.vector, 0x21);

  trap = run_in_ring3(user_int82, 0);
  check_equal("int 0x82 from ring 3", trap.vector, VECTOR_GP);
  check_equal("its error code", trap.error, 0x412);
  check_equal("its eip", trap.eip, va_of(user_int82));
}

/* A stub that is not used otherwise stands in for vector 0x80. */
#define STAND_IN 0x2E

static void int80(void) {
  struct caught trap = run_in_ring3(user_int80, 0);
  check_equal("int 0x80 without a gate", trap.vector, VECTOR_GP);
  check_equal("its error code", trap.error, 0x402);
  check_equal("its eip", trap.eip, va_of(user_int80));

  set_gate_to(0x80, TI_DPL(3), FLAT_RING1_CS, (const void *)trap_stub[STAND_IN]);
  trap = run_in_ring3(user_int80, 0xABCD);
  check_equal("int 0x80", trap.vector, STAND_IN);
  check_equal("int 0x80: eip", trap.eip, va_of(user_after_int80));
  check_equal("int 0x80: mask in the handler", trap.mask_in_handler, 0);
  check_equal("int 0x80: eax", trap.eax, 0xABCD);
  check_equal("int 0x80: esp", trap.esp, va_of(user_stack_top));
  check_equal("int 0x80: cs of the handler", trap.handler_cs, FLAT_RING1_CS);

  set_gate_to(0x80, TI_DPL(3) | TI_MASK_EVENTS, FLAT_RING1_CS, (const void *)trap_stub[STAND_IN]);
  trap = run_in_ring3(user_int80, 0xABCD);
  check_equal("masking int 0x80", trap.vector, STAND_IN);
  check_equal("masking int 0x80: eip", trap.eip, va_of(user_after_int80));
  check_equal("masking int 0x80: mask in the handler", trap.mask_in_handler, 1);
  check_equal("masking int 0x80: mask before", trap.saved_mask, 0);
}

static void table(void) {
  set_gate_to(VECTOR_UD, GATE_KERNEL, FLAT_RING1_CS & ~3u, (const void *)trap_stub[VECTOR_UD]);
  struct caught trap = expect_trap("gate with RPL 0", try_ud2, 0, VECTOR_UD, 0, at_ud2);
  check_equal("its cs", trap.handler_cs, FLAT_RING1_CS);

  /* One entry at the very end of a page, and nothing mapped behind it. */
  check_equal("unmap", HYPERVISOR_update_va_mapping(va_of(page), 0, UVMF_INVLPG), 0);
  struct trap_info *list = (struct trap_info *)(pages.before + PAGE_SIZE - sizeof(struct trap_info));
  *list = (struct trap_info){0x21, TI_DPL(1), FLAT_RING1_CS, trap_stub[0x22]};
  check_equal("list that ends nowhere", HYPERVISOR_set_trap_table(list), -EFAULT);
  expect_trap("its first entry", try_int21, 0, 0x22, 0, after_int21);
  remap_page(va_of(page), PTE_KERNEL);

  check_equal("empty the table", HYPERVISOR_set_trap_table(0), 0);
  install_gates();
  expect_trap("int 0x21 after that", try_int21, 0, VECTOR_GP, IDT_ERROR(0x21), at_int21);
}

TEST("traps") {
  exceptions();
  selectors();
  page_faults();
  from_ring3();
  masking();
  software_interrupts();
  int80();
  table();
}
