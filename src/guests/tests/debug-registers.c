/*
 * Debug registers: by hypercall, by MOV, which is emulated, and what they are for.
 *
 * - DR0-3 hold any 32-bit address. DR6 and DR7 have bits that are always 1.
 * - DR4 and DR5 are other names for DR6 and DR7.
 * - DR7 with GD is -EPERM; other registers are -ENODEV.
 * - A store or any access to a watched address is #DB behind the instruction, with
 *   the breakpoint's bit in DR6; bits stay until the guest clears them.
 * - An instruction that is watched is #DB before it, in ring 1 and in ring 3. RF in
 *   the frame lets it run once.
 * - A watched port is #DB behind the access, if CR4.DE is set.
 * - What MOV to SS meets waits for the end of the next instruction.
 */
#include "harness.h"
#include "xen/physdev.h"

uint32_t read_dr7(void), read_dr0(void);
void write_dr0(uint32_t value);
void watched_store(uint32_t value), watched_load(uint32_t), watched_call(uint32_t), watched_ss(uint32_t);
void watched_port(uint32_t), write_cr4(uint32_t value);
extern char behind_port[], behind_store[], behind_load[], at_call[], behind_nop[], user_watched[];
extern volatile uint32_t watched;

#define EFLAGS_RF 0x00010000u
#define DR6_B0 1u
#define DR7_L0_WRITE_DWORD 0x000D0001u
#define DR7_L0_ACCESS_DWORD 0x000F0001u
#define DR7_L0_PORT 0x00020001u
#define CR4_DE 8u
#define DR7_L0_EXECUTE 0x00000001u

static void arm(const volatile void *address, uint32_t dr7) {
  check_equal("DR0", HYPERVISOR_set_debugreg(0, va_of(address)), 0);
  check_equal("DR6", HYPERVISOR_set_debugreg(6, 0), 0);
  check_equal("DR7", HYPERVISOR_set_debugreg(7, dr7), 0);
}
static void met(const char *what) {
  HYPERVISOR_set_debugreg(7, 0);
  check((HYPERVISOR_get_debugreg(6) & 0xF) == DR6_B0, "%s: DR6 is 0x%x", what, HYPERVISOR_get_debugreg(6));
}

/* Goes on behind an instruction breakpoint, once. */
static unsigned passed;
static int pass(struct trap_frame *frame) {
  if (frame->vector != VECTOR_DB) return 0;
  passed++;
  frame->eflags |= EFLAGS_RF;
  return 1;
}

static void breakpoints(void) {
  arm(&watched, DR7_L0_WRITE_DWORD);
  expect_trap("store", watched_store, 0x600D, VECTOR_DB, 0, behind_store);
  met("store");
  check_equal("it was stored", watched, 0x600D);
  arm(&watched, DR7_L0_WRITE_DWORD);
  expect_no_trap("load of what stores are watched for", watched_load, 0);
  HYPERVISOR_set_debugreg(7, 0);
  arm(&watched, DR7_L0_ACCESS_DWORD);
  expect_trap("load", watched_load, 0, VECTOR_DB, 0, behind_load);
  met("load");
  watched = read_ss();
  arm(&watched, DR7_L0_ACCESS_DWORD);
  expect_trap("MOV to SS", watched_ss, 0, VECTOR_DB, 0, behind_nop);
  met("MOV to SS");
}

static void instructions(void) {
  arm(at_call, DR7_L0_EXECUTE);
  expect_trap("instruction", watched_call, 0, VECTOR_DB, 0, at_call);
  met("instruction");
  arm(at_call, DR7_L0_EXECUTE);
  passed = 0;
  trap_hook = pass;
  expect_no_trap("with RF", watched_call, 0);
  trap_hook = 0;
  check_equal("stopped", passed, 1);
  arm(user_watched, DR7_L0_EXECUTE);
  struct caught trap = run_in_ring3(user_watched, 0);
  check_equal("ring 3", trap.vector, VECTOR_DB);
  check_equal("its eip", trap.eip, va_of(user_watched));
  arm(0, 0);
  expect_no_trap("disarmed", watched_call, 0);
}

#define DR6_ALWAYS_ONE 0xFFFF0FF0u
#define DR7_ALWAYS_ONE 0x00000400u
#define DR7_GD 0x00002000u

static void ports(void) {
  uint32_t iopl = 1;
  check_equal("set_iopl", HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
  check_equal("without DE", HYPERVISOR_set_debugreg(7, DR7_L0_PORT), -EPERM);
  write_cr4(CR4_DE);
  HYPERVISOR_set_debugreg(0, 0x300);
  HYPERVISOR_set_debugreg(6, 0);
  check_equal("with DE", HYPERVISOR_set_debugreg(7, DR7_L0_PORT), 0);
  expect_no_trap("its neighbour", watched_port, 0x301);
  expect_trap("port", watched_port, 0x300, VECTOR_DB, 0, behind_port);
  met("port");
  write_cr4(0);
}

TEST("debug-registers") {
  check_equal("DR6 at the start", HYPERVISOR_get_debugreg(6), DR6_ALWAYS_ONE);
  check_equal("DR7 at the start", HYPERVISOR_get_debugreg(7), DR7_ALWAYS_ONE);
  check_equal("MOV from DR7", read_dr7(), DR7_ALWAYS_ONE);
  for (uint32_t reg = 0; reg < 4; reg++) {
    check_equal("set", HYPERVISOR_set_debugreg(reg, 0xC0001000 + reg), 0);
    check_equal("get", HYPERVISOR_get_debugreg(reg), 0xC0001000 + reg);
  }
  write_dr0(0x1234);
  check_equal("MOV to DR0", HYPERVISOR_get_debugreg(0), 0x1234);
  check_equal("MOV from DR0", read_dr0(), 0x1234);
  check_equal("set DR6", HYPERVISOR_set_debugreg(6, 0), 0);
  check_equal("get DR6", HYPERVISOR_get_debugreg(6), DR6_ALWAYS_ONE);
  check_equal("DR4", HYPERVISOR_get_debugreg(4), DR6_ALWAYS_ONE);
  check_equal("DR5", HYPERVISOR_get_debugreg(5), DR7_ALWAYS_ONE);
  check_equal("DR7 with GD", HYPERVISOR_set_debugreg(7, DR7_GD), -EPERM);
  check_equal("set DR8", HYPERVISOR_set_debugreg(8, 0), -ENODEV);
  check_equal("get DR8", HYPERVISOR_get_debugreg(8), (uint32_t)-ENODEV);
  breakpoints();
  instructions();
  ports();
}
