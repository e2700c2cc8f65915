/*
 * The forced-emulation prefix, "ud2; xen": CPUID behind it is answered by Xen.
 *
 * - Xen's own leaves begin at 0x40000000 and carry its signature.
 * - Anything else behind the prefix is #UD at the prefix, in every ring, and so is
 *   a ud2 that only looks like it.
 * - Xen reads five bytes at every #UD, and two more behind the prefix. If the page
 *   with one of them is not there, the guest gets a page fault at that byte
 *   instead, even if it is no prefix.
 */
#include "harness.h"

uint32_t cpuid_forced(uint32_t leaf);
void bare_ud(uint32_t), wrong_tail(uint32_t), forced_nop(uint32_t);
extern char at_bare_ud[], at_wrong_tail[], at_forced_nop[], user_forced_mov[];

static PAGE_ALIGNED char code[2 * PAGE_SIZE];
#define SIGNATURE_EBX 0x566E6558u /* "XenV" */

/* Runs bytes that end exactly where the second page, which is not there, begins. */
static struct caught at_the_end(const char *bytes, unsigned count) {
  char *at = code + PAGE_SIZE - count;
  for (unsigned i = 0; i < count; i++) at[i] = bytes[i];
  return catch_trap(call_address, va_of(at));
}

static void ends(const char *what, const char *bytes, unsigned count, int vector, uint32_t cr2) {
  struct caught trap = at_the_end(bytes, count);
  check(trap.vector == vector, "%s: trap %d, want %d", what, trap.vector, vector);
  check_equal("its error code", trap.error, 0);
  check_equal("its eip", trap.eip, va_of(code + PAGE_SIZE - count));
  if (vector == VECTOR_PF) check_equal("its cr2", trap.cr2, cr2);
}

TEST("forced-emulation") {
  uint32_t next = va_of(code + PAGE_SIZE);
  check_equal("Xen's signature", cpuid_forced(0x40000000), SIGNATURE_EBX);
  expect_trap("ud2", bare_ud, 0, VECTOR_UD, 0, at_bare_ud);
  expect_trap("nearly the prefix", wrong_tail, 0, VECTOR_UD, 0, at_wrong_tail);
  expect_trap("a NOP behind it", forced_nop, 0, VECTOR_UD, 0, at_forced_nop);
  struct caught trap = run_in_ring3(user_forced_mov, 0);
  check_equal("ring 3: a MOV behind it", trap.vector, VECTOR_UD);
  check_equal("its eip", trap.eip, va_of(user_forced_mov));

  check_equal("unmap", HYPERVISOR_update_va_mapping(next, 0, UVMF_INVLPG), 0);
  ends("ud2 at the end", "\x0F\x0B", 2, VECTOR_PF, next);
  ends("half a prefix", "\x0F\x0B\x78", 3, VECTOR_PF, next);
  ends("a prefix and nothing", "\x0F\x0B\x78\x65\x6E", 5, VECTOR_PF, next);
  ends("half a CPUID", "\x0F\x0B\x78\x65\x6E\x0F", 6, VECTOR_PF, next);
  ends("five other bytes", "\x0F\x0B\x90\x90\x90", 5, VECTOR_UD, 0);
  ends("a prefix and two other bytes", "\x0F\x0B\x78\x65\x6E\x90\x90", 7, VECTOR_UD, 0);
  check_equal("map again", remap_page(next, PTE_KERNEL), 0);
}
