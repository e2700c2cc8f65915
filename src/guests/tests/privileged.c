/*
 * Privileged instructions in ring 1: emulated, or #GP(0).
 *
 * - CR0 shows PE and PG; only TS may be written. CR2 can be written. CR3 shows
 *   the (folded) frame of the top table; writing it is a change of base. CR4
 *   shows PAE; bits a guest may not have are ignored.
 * - CLTS and fpu_taskswitch move TS. WBINVD does nothing.
 * - CLI, STI and port I/O need the virtual IOPL; with it CLI and STI are ignored
 *   and ports that are not ours read all ones.
 * - HLT, INVD, INVLPG, LGDT, LIDT, LLDT, LTR, LMSW are not emulated.
 * - Unknown MSRs are #GP; the PAT can be read.
 * - `ud2; "xen"; cpuid` is an emulated CPUID at any level; with anything else
 *   behind it the prefix is #UD.
 * - In ring 3 what needs level 0 is #GP(0).
 */
#include "harness.h"
#include "xen/physdev.h"

uint32_t try_read_cr0(void), try_read_cr2(void), try_read_cr3(void), try_read_cr4(void);
void try_write_cr0(uint32_t), try_write_cr2(uint32_t), try_write_cr3(uint32_t), try_write_cr4(uint32_t);
void try_clts(uint32_t), try_cli(uint32_t), try_sti(uint32_t), try_hlt(uint32_t), try_wbinvd(uint32_t), try_invd(uint32_t);
void try_invlpg(uint32_t), try_lgdt(uint32_t), try_lidt(uint32_t), try_lldt(uint32_t), try_ltr(uint32_t), try_lmsw(uint32_t);
void try_write_msr(uint32_t), try_out(uint32_t);
uint64_t try_read_msr(uint32_t);
uint32_t try_in(uint32_t port), try_in32(uint32_t port);
uint32_t forced_cpuid(uint32_t leaf, uint32_t *ebx_edx), plain_cpuid(uint32_t leaf, uint32_t *ebx_edx);
void forced_mov(uint32_t);
void step_over_emulated(uint32_t);
extern char after_emulated[];
extern char at_write_cr0[], at_write_cr3[], at_read_msr[], at_write_msr[], at_in[], at_out[];
extern char user_read_cr0[], user_clts[], user_in[], user_at_in[], user_cpuid[], user_sgdt[];

#define CR0_PE 0x00000001u
#define CR0_TS 0x00000008u
#define CR0_WP 0x00010000u
#define CR0_PG 0x80000000u
#define CR4_TSD 0x004u
#define CR4_PAE 0x020u
#define CR4_PGE 0x080u

static void read_msr(uint32_t msr) { try_read_msr(msr); }
static void read_port(uint32_t port) { try_in(port); }

/* The first instruction of `body` must trap, with error code 0. */
static void refused(const char *what, void (*body)(uint32_t), int vector) {
  struct caught trap = expect_trap(what, body, 0, vector, 0, 0);
  check_equal("its eip", trap.eip, (uint32_t)body);
}

static void control_registers(void) {
  uint32_t cr0 = try_read_cr0();
  check_equal("CR0: PE, WP, PG", cr0 & (CR0_PE | CR0_WP | CR0_PG), CR0_PE | CR0_WP | CR0_PG);
  check_equal("CR0: TS", cr0 & CR0_TS, 0);
  expect_no_trap("CR0 with TS", try_write_cr0, cr0 | CR0_TS);
  check_equal("TS", try_read_cr0() & CR0_TS, CR0_TS);
  expect_no_trap("CLTS", try_clts, 0);
  check_equal("TS after CLTS", try_read_cr0() & CR0_TS, 0);
  HYPERVISOR_fpu_taskswitch(1);
  check_equal("TS after fpu_taskswitch", try_read_cr0() & CR0_TS, CR0_TS);
  HYPERVISOR_fpu_taskswitch(0);
  check_equal("TS after the other", try_read_cr0() & CR0_TS, 0);
  expect_trap("CR0 without WP", try_write_cr0, cr0 & ~CR0_WP, VECTOR_GP, 0, at_write_cr0);

  try_write_cr2(0x12345678);
  check_equal("CR2", try_read_cr2(), 0x12345678);
  check_equal("CR2 in vcpu_info", shared_info->vcpu_info[0].cr2, 0x12345678);

  uint32_t top = va_to_mfn(start_info->pt_base), cr3 = try_read_cr3();
  check_equal("CR3", cr3, top << 12 | top >> 20);
  expect_no_trap("CR3 to itself", try_write_cr3, cr3);
  uint32_t ordinary = va_to_mfn(va_of(user_stack));
  expect_trap("CR3 to an ordinary page", try_write_cr3, ordinary << 12 | ordinary >> 20, VECTOR_GP, 0,
              at_write_cr3);
  check_equal("CR3 after that", try_read_cr3(), cr3);

  uint32_t cr4 = try_read_cr4();
  check_equal("CR4: PAE", cr4 & CR4_PAE, CR4_PAE);
  expect_no_trap("CR4 with TSD and PGE", try_write_cr4, cr4 | CR4_TSD | CR4_PGE);
  check_equal("CR4 afterwards", try_read_cr4() & (CR4_TSD | CR4_PGE | CR4_PAE), CR4_TSD | CR4_PAE);
  try_write_cr4(cr4);
  expect_trap("single step over MOV from CR0", step_over_emulated, 0, VECTOR_DB, 0, after_emulated);
}

static void not_emulated(void) {
  refused("HLT", try_hlt, VECTOR_GP);
  refused("INVD", try_invd, VECTOR_GP);
  refused("INVLPG", try_invlpg, VECTOR_GP);
  refused("LGDT", try_lgdt, VECTOR_GP);
  refused("LIDT", try_lidt, VECTOR_GP);
  refused("LLDT", try_lldt, VECTOR_GP);
  refused("LTR", try_ltr, VECTOR_GP);
  refused("LMSW", try_lmsw, VECTOR_GP);
  expect_no_trap("WBINVD", try_wbinvd, 0);
}

static void msrs(void) {
  check(try_read_msr(0x277) == 0x0000050100070406ull, "PAT is 0x%llx", try_read_msr(0x277));
  expect_trap("unknown MSR read", read_msr, 0x12345, VECTOR_GP, 0, at_read_msr);
  expect_trap("unknown MSR written", try_write_msr, 0x12345, VECTOR_GP, 0, at_write_msr);
}

static void ports(void) {
  struct physdev_set_iopl iopl = {0};
  static uint8_t bitmap[64];
  struct physdev_set_iobitmap ports = {bitmap, 512};
  expect_trap("IN", read_port, 0x80, VECTOR_GP, 0, at_in);
  expect_trap("OUT", try_out, 0x80, VECTOR_GP, 0, at_out);
  refused("CLI", try_cli, VECTOR_GP);
  refused("STI", try_sti, VECTOR_GP);

  bitmap[0x80 / 8] = 0xFE; /* port 0x80 is allowed, its neighbours are not */
  check_equal("set_iobitmap", HYPERVISOR_physdev_op(PHYSDEVOP_set_iobitmap, &ports), 0);
  check_equal("IN of an allowed port", try_in(0x80), 0xFF);
  expect_trap("IN of its neighbour", read_port, 0x81, VECTOR_GP, 0, at_in);
  check_equal("ring 3, allowed port", run_in_ring3(user_in, 0).vector, VECTOR_DONE);
  ports.nr_ports = 0;
  HYPERVISOR_physdev_op(PHYSDEVOP_set_iobitmap, &ports);

  iopl.iopl = 1;
  check_equal("set_iopl 1", HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
  check_equal("IN with IOPL 1", try_in(0x80), 0xFF);
  check_equal("IN of 32 bits", try_in32(0x300), 0xFFFFFFFF);
  expect_no_trap("OUT with IOPL 1", try_out, 0x80);
  *event_mask() = 0;
  expect_no_trap("CLI with IOPL 1", try_cli, 0);
  check_equal("the mask after CLI", *event_mask(), 0);
  *event_mask() = 1;
  expect_no_trap("STI with IOPL 1", try_sti, 0);
  check_equal("the mask after STI", *event_mask(), 1);
  check_equal("the real IF and IOPL", read_eflags() & (EFLAGS_IF | EFLAGS_IOPL), EFLAGS_IF);
  check_equal("ring 3, IOPL 1", run_in_ring3(user_in, 0).vector, VECTOR_GP);
  iopl.iopl = 3;
  HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl);
  check_equal("ring 3, IOPL 3", run_in_ring3(user_in, 0).vector, VECTOR_DONE);
  iopl.iopl = 4;
  check_equal("set_iopl 4", HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), -EINVAL);
  iopl.iopl = 0;
  HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl);
}

static void forced_emulation(void) {
  uint32_t forced[2], plain[2];
  check_equal("CPUID 0: eax", forced_cpuid(0, forced), plain_cpuid(0, plain));
  check_equal("CPUID 0: ebx", forced[0], plain[0]);
  check_equal("CPUID 0: edx", forced[1], plain[1]);
  forced_cpuid(1, forced);
  check((forced[1] & 0x40) != 0, "CPUID 1 without PAE: edx 0x%x", forced[1]);
  refused("prefix and mov", forced_mov, VECTOR_UD);
  check_equal("prefix in ring 3", run_in_ring3(user_cpuid, 0).vector, VECTOR_DONE);
}

static void ring3(void) {
  struct caught trap = run_in_ring3(user_read_cr0, 0);
  check_equal("ring 3 reads CR0", trap.vector, VECTOR_GP);
  check_equal("its error code", trap.error, 0);
  check_equal("its eip", trap.eip, va_of(user_read_cr0));
  check_equal("ring 3, CLTS", run_in_ring3(user_clts, 0).vector, VECTOR_GP);
  trap = run_in_ring3(user_in, 0);
  check_equal("ring 3, IN", trap.vector, VECTOR_GP);
  check_equal("its eip", trap.eip, va_of(user_at_in));
  check_equal("ring 3, SGDT and the like", run_in_ring3(user_sgdt, 0).vector, VECTOR_DONE);
}

TEST("privileged") {
  control_registers();
  not_emulated();
  msrs();
  ports();
  forced_emulation();
  ring3();
}
