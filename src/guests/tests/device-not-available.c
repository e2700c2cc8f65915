/*
 * CR0.TS and #NM: how a kernel learns that its user wants the floating-point unit.
 *
 * - fpu_taskswitch(1) and MOV to CR0 set TS, fpu_taskswitch(0) and CLTS clear it.
 * - While it is set a floating-point instruction, and WAIT, is #NM.
 * - Xen clears TS before it delivers #NM: the handler finds it clear.
 */
#include "harness.h"

void try_fnstcw(uint32_t), try_wait(uint32_t), do_clts(void), write_cr0(uint32_t);
uint32_t read_cr0(void);
extern char at_fnstcw[], at_wait[];

#define CR0_TS 8u

static uint32_t ts_in_handler;
static int look(struct trap_frame *frame) {
  if (frame->vector == VECTOR_NM) ts_in_handler = read_cr0() & CR0_TS;
  return 0;
}

static void set_by(const char *what, int by_call) {
  if (by_call)
    check_equal("fpu_taskswitch", HYPERVISOR_fpu_taskswitch(1), 0);
  else
    write_cr0(read_cr0() | CR0_TS);
  check_equal(what, read_cr0() & CR0_TS, CR0_TS);
}

static void traps(const char *what, int by_call, void (*body)(uint32_t), const void *at) {
  set_by(what, by_call);
  ts_in_handler = ~0u;
  expect_trap(what, body, 0, VECTOR_NM, 0, at);
  check_equal("TS in the handler", ts_in_handler, 0);
  check_equal("TS afterwards", read_cr0() & CR0_TS, 0);
}

static void cleared(const char *what, int by_call) {
  set_by(what, by_call);
  if (by_call)
    check_equal("fpu_taskswitch", HYPERVISOR_fpu_taskswitch(0), 0);
  else
    do_clts();
  check_equal(what, read_cr0() & CR0_TS, 0);
  struct caught trap = catch_trap(try_wait, 0);
  check(trap.vector != VECTOR_NM, "%s: #NM all the same", what);
}

TEST("device-not-available") {
  trap_hook = look;
  traps("set by call", 1, try_fnstcw, at_fnstcw);
  traps("set by call, WAIT", 1, try_wait, at_wait);
  traps("set by MOV", 0, try_fnstcw, at_fnstcw);
  cleared("cleared by call", 1);
  cleared("cleared by CLTS", 0);
  trap_hook = 0;
}
