/*
 * What the bits of a page-table entry mean to ring 1 and ring 3.
 *
 * - Ring 1 is supervisor: it reaches pages without U. Ring 3 needs U; both need RW to write.
 * - Reading sets A, writing sets D, and only that.
 * - NX stops execution only.
 * - A store across two pages happens entirely or not at all.
 */
#include "cpu.h"
#include "harness.h"
#include "string.h"

void store_dword(uint32_t address);
extern char at_store_dword[], user_load[], user_store[], user_call[];

static PAGE_ALIGNED char pages[2 * PAGE_SIZE];
#define PAGE_1 va_of(pages)
#define PAGE_2 (va_of(pages) + PAGE_SIZE)

#define OPCODE_RET ((char)0xC3)

static uint32_t flags_of(uint32_t va) { return (uint32_t)*find_pte(va) & 0xFFF; }

static void expect_ring3(const char *what, const char *code, uint32_t va, int vector, uint32_t error) {
  struct caught trap = run_in_ring3(code, va);
  check(trap.vector == vector, "%s: trap %d, want %d", what, trap.vector, vector);
  if (vector != VECTOR_PF) return;
  check_equal(what, trap.error, error);
  check_equal("its cr2", trap.cr2, va);
}

/* With NX the processor says of a #PF that it was a fetch; without, it does not know the bit. */
static uint32_t instruction_fetch(void) {
  if (remap_page(PAGE_2, PTE_KERNEL | PTE_NX) != 0) return 0;
  remap_page(PAGE_2, PTE_KERNEL);
  return 0x10;
}

static void privilege(void) {
  pages[0] = OPCODE_RET;
  expect_ring3("ring 3 loads, U clear", user_load, PAGE_1, VECTOR_PF, 5);
  expect_ring3("ring 3 calls, U clear", user_call, PAGE_1, VECTOR_PF, 5 | instruction_fetch());
  remap_page(PAGE_1, PTE_P | PTE_US);
  expect_ring3("ring 3 loads, U set", user_load, PAGE_1, VECTOR_DONE, 0);
  expect_ring3("ring 3 calls, U set", user_call, PAGE_1, VECTOR_DONE, 0);
  expect_ring3("ring 3 stores, RW clear", user_store, PAGE_1, VECTOR_PF, 7);
  expect_trap("ring 1 stores, RW clear", store_byte, PAGE_1, VECTOR_PF, 3, store_byte_at);
  remap_page(PAGE_1, PTE_P | PTE_US | PTE_RW);
  expect_ring3("ring 3 stores, all set", user_store, PAGE_1, VECTOR_DONE, 0);
  check_equal("what it stored", (uint8_t)((volatile char *)pages)[0], 0x77);
  remap_page(PAGE_1, PTE_KERNEL);
}

static void accessed_and_dirty(void) {
  remap_page(PAGE_1, PTE_P | PTE_RW);
  check_equal("neither", flags_of(PAGE_1), PTE_P | PTE_RW);
  load_byte(PAGE_1);
  check_equal("after a load", flags_of(PAGE_1), PTE_P | PTE_RW | PTE_A);
  store_byte(PAGE_1);
  check_equal("after a store", flags_of(PAGE_1), PTE_P | PTE_RW | PTE_A | PTE_D);
  remap_page(PAGE_1, PTE_P | PTE_RW | PTE_A);
  store_byte(PAGE_1);
  check_equal("after D was cleared", flags_of(PAGE_1), PTE_P | PTE_RW | PTE_A | PTE_D);
  remap_page(PAGE_1, PTE_P);
  expect_trap("a store that fails", store_byte, PAGE_1, VECTOR_PF, 3, store_byte_at);
  check_equal("D after it", flags_of(PAGE_1) & PTE_D, 0);
  remap_page(PAGE_1, PTE_KERNEL);
}

static void no_execute(void) {
  pages[0] = OPCODE_RET;
  expect_no_trap("call", call_address, PAGE_1);
  int rc = remap_page(PAGE_1, PTE_KERNEL | PTE_NX);
  if (rc == -EINVAL) return; /* this machine has no NX */
  check_equal("NX", rc, 0);
  struct caught trap = expect_trap("call, NX", call_address, PAGE_1, VECTOR_PF, 0x11, pages);
  check_equal("its cr2", trap.cr2, PAGE_1);
  expect_no_trap("load, NX", load_byte, PAGE_1);
  remap_page(PAGE_1, PTE_KERNEL | PTE_US | PTE_NX);
  expect_ring3("ring 3 calls, NX", user_call, PAGE_1, VECTOR_PF, 0x15);
  remap_page(PAGE_1, PTE_KERNEL);
}

static void across(void) {
  memset(pages, 0, sizeof pages);
  store_dword(PAGE_2 - 2);
  check(memcmp(pages + PAGE_SIZE - 2, "\x11\x22\x33\x44", 4) == 0, "a store across two pages");
  memset(pages, 0, sizeof pages);
  remap_page(PAGE_2, PTE_P);
  struct caught trap = expect_trap("second page read-only", store_dword, PAGE_2 - 2, VECTOR_PF, 3,
                                   at_store_dword);
  check_equal("cr2", trap.cr2, PAGE_2);
  check(((volatile char *)pages)[PAGE_SIZE - 2] == 0, "half of it has been stored");
  HYPERVISOR_update_va_mapping(PAGE_2, 0, UVMF_INVLPG);
  trap = expect_trap("no second page", store_dword, PAGE_2 - 1, VECTOR_PF, 2, at_store_dword);
  check_equal("cr2", trap.cr2, PAGE_2);
  remap_page(PAGE_2, PTE_KERNEL);
}

TEST("paging") {
  privilege();
  accessed_and_dirty();
  no_execute();
  across();
}
