/*
 * GDT, LDT and what a descriptor means: set_gdt, update_descriptor, SET_LDT, limits, types, privilege.
 *
 * - A page becomes (part of) the GDT only while nobody can write to it; Xen
 *   raises DPL 0 to 1 in it, and refuses system descriptors and 64-bit code.
 * - The flat selectors of Xen stay usable.
 * - Offsets outside the limit, inside it for expand-down segments, writes to
 *   read-only and reads of execute-only segments are #GP(0); a descriptor that is
 *   not present is #NP, or #SS when it was meant for SS.
 * - LDT pages are looked at when a selector is used, not before; if one cannot be
 *   used, that is a #PF at the descriptor's address.
 */
#include "harness.h"

void es_load(uint32_t), es_store(uint32_t), es_load_dword(uint32_t), load_es_only(uint32_t), load_ss_only(uint32_t);
void far_call_to(uint32_t);
uint32_t lar_of(uint32_t), lsl_of(uint32_t);
int verr_of(uint32_t), verw_of(uint32_t);
extern char at_load_es[], at_load_ss[], at_far_call[];
extern volatile uint32_t segment_offset;

static PAGE_ALIGNED uint64_t gdt[512];
static PAGE_ALIGNED uint64_t ldt[512];
static PAGE_ALIGNED char data[PAGE_SIZE];

enum { FLAT = 1, DPL0, SMALL, DOWN, READ_ONLY, EXECUTE_ONLY, ABSENT, RING3, FRESH, SPARE, ENTRIES };

/* Selectors for ring 1. */
#define SELECTOR(index) ((uint32_t)(index)*8 + 1)
#define LDT_SELECTOR(index) ((uint32_t)(index)*8 + 5)

#define G_AND_32BIT 0xC0u
#define ONLY_32BIT 0x40u

/* base, limit as it stands in the descriptor, access byte, flag nibble (in the upper half) */
static uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t access, uint32_t flags) {
  uint32_t low = base << 16 | (limit & 0xFFFF);
  uint32_t high = (base & 0xFF000000u) | (flags | (limit >> 16 & 15)) << 16 | access << 8 | (base >> 16 & 0xFF);
  return (uint64_t)high << 32 | low;
}

static uint32_t access_byte(unsigned index) { return ((volatile uint8_t *)&gdt[index])[5]; }

static void fill(void) {
  gdt[FLAT] = descriptor(0, 0xFFFFF, 0xB3, G_AND_32BIT);
  gdt[DPL0] = descriptor(0, 0xFFFFF, 0x93, G_AND_32BIT);
  gdt[SMALL] = descriptor(va_of(data), 0xFFF, 0xB3, ONLY_32BIT);
  gdt[DOWN] = descriptor(0, 0xBFFFF, 0xB7, G_AND_32BIT);
  gdt[READ_ONLY] = descriptor(0, 0xFFFFF, 0xB1, G_AND_32BIT);
  gdt[EXECUTE_ONLY] = descriptor(0, 0xFFFFF, 0xB9, G_AND_32BIT);
  gdt[ABSENT] = descriptor(0, 0xFFFFF, 0x33, G_AND_32BIT);
  gdt[RING3] = descriptor(0, 0xFFFFF, 0xF3, G_AND_32BIT);
  gdt[FRESH] = descriptor(0, 0xFFFFF, 0xB2, G_AND_32BIT);
}

static void install(void) {
  uint32_t mfn = va_to_mfn(va_of(gdt));
  check_equal("too many entries", HYPERVISOR_set_gdt(&mfn, 7169), -EINVAL);
  check_equal("bad list", HYPERVISOR_set_gdt(0, 512), -EFAULT);
  check_equal("a writable page", HYPERVISOR_set_gdt(&mfn, 512), -EINVAL);
  check_equal("read-only", remap_page(va_of(gdt), PTE_P | PTE_A | PTE_D), 0);
  check_equal("set_gdt", HYPERVISOR_set_gdt(&mfn, 512), 0);
  check_equal("writable now", remap_page(va_of(gdt), PTE_KERNEL), -EBUSY);
  check_equal("DPL 0 became 1", access_byte(DPL0), 0xB3);
  check_equal("an absent one is left alone", access_byte(ABSENT), 0x33);
  expect_no_trap("Xen's flat data", load_es_only, FLAT_RING1_DS);
  expect_no_trap("Xen's flat ring-3 data", load_es_only, FLAT_RING3_DS);
}

static void access(const char *what, void (*body)(uint32_t), unsigned index, uint32_t offset, int vector) {
  segment_offset = offset;
  if (vector == NO_TRAP)
    expect_no_trap(what, body, SELECTOR(index));
  else
    expect_trap(what, body, SELECTOR(index), vector, 0, 0);
}

static void limits(void) {
  uint32_t here = va_of(data);
  access("flat", es_store, FLAT, here, NO_TRAP);
  access("last byte", es_store, SMALL, 0xFFF, NO_TRAP);
  check_equal("where it went", (uint8_t)((volatile char *)data)[0xFFF], 0x5A);
  access("one too far", es_load, SMALL, 0x1000, VECTOR_GP);
  access("half too far", es_load_dword, SMALL, 0xFFD, VECTOR_GP);
  access("just inside", es_load_dword, SMALL, 0xFFC, NO_TRAP);
  access("expand-down, above the limit", es_store, DOWN, here, NO_TRAP);
  access("expand-down, at the limit", es_load, DOWN, 0xBFFFFFFF, VECTOR_GP);
  access("expand-down, across it", es_load_dword, DOWN, 0xBFFFFFFE, VECTOR_GP);
  access("read-only, load", es_load, READ_ONLY, here, NO_TRAP);
  access("read-only, store", es_store, READ_ONLY, here, VECTOR_GP);
  access("null selector", es_load, 0, here, VECTOR_GP);
}

static void types(void) {
  expect_trap("execute-only into ES", load_es_only, SELECTOR(EXECUTE_ONLY), VECTOR_GP,
              SELECTOR(EXECUTE_ONLY) & ~3u, at_load_es);
  expect_trap("absent into ES", load_es_only, SELECTOR(ABSENT), VECTOR_NP, SELECTOR(ABSENT) & ~3u, at_load_es);
  expect_trap("absent into SS", load_ss_only, SELECTOR(ABSENT), VECTOR_SS, SELECTOR(ABSENT) & ~3u, at_load_ss);
  expect_trap("read-only into SS", load_ss_only, SELECTOR(READ_ONLY), VECTOR_GP, SELECTOR(READ_ONLY) & ~3u,
              at_load_ss);
  expect_trap("RPL 3 of a DPL 1 segment", load_es_only, SELECTOR(FLAT) | 3, VECTOR_GP, SELECTOR(FLAT) & ~3u,
              at_load_es);
  expect_no_trap("DPL 3 from ring 1", load_es_only, SELECTOR(RING3));
  expect_no_trap("far call through execute-only", far_call_to, SELECTOR(EXECUTE_ONLY));
  expect_trap("far call to data", far_call_to, SELECTOR(FLAT), VECTOR_GP, SELECTOR(FLAT) & ~3u, at_far_call);
  expect_trap("far call to Xen's ring 0", far_call_to, 0xE008, VECTOR_GP, 0xE008, at_far_call);

  expect_no_trap("a segment never used", load_es_only, SELECTOR(FRESH));
  check_equal("its accessed bit", access_byte(FRESH), 0xB3);
}

static void questions(void) {
  check_equal("LSL", lsl_of(SELECTOR(SMALL)), 0xFFF);
  check_equal("LSL, in pages", lsl_of(SELECTOR(DOWN)), 0xBFFFFFFF);
  check_equal("LAR", lar_of(SELECTOR(READ_ONLY)) & 0xFF00, 0xB100);
  check_equal("LAR of Xen's ring 0", lar_of(0xE010), 0xFFFFFFFF);
  check_equal("LAR of nothing", lar_of(SELECTOR(300)), 0xFFFFFFFF);
  check_equal("VERR of data", verr_of(SELECTOR(READ_ONLY)), 1);
  check_equal("VERR of execute-only", verr_of(SELECTOR(EXECUTE_ONLY)), 0);
  check_equal("VERW of data", verw_of(SELECTOR(FLAT)), 1);
  check_equal("VERW of read-only data", verw_of(SELECTOR(READ_ONLY)), 0);
}

static int update(uint32_t index, uint64_t value) {
  return HYPERVISOR_update_descriptor(make_pte(va_to_mfn(va_of(gdt)), index * 8), value);
}

static void updates(void) {
  check_equal("a good one", update(SPARE, descriptor(va_of(data), 0xF, 0x93, ONLY_32BIT)), 0);
  check_equal("its access byte", access_byte(SPARE), 0xB3);
  access("in use at once", es_load, SPARE, 0x10, VECTOR_GP);
  check_equal("64-bit code", update(SPARE, descriptor(0, 0xFFFFF, 0xBB, 0xA0)), -EINVAL);
  check_equal("a TSS", update(SPARE, descriptor(0, 0x67, 0xA9, 0)), -EINVAL);
  check_equal("an LDT", update(SPARE, descriptor(0, 0x67, 0xA2, 0)), -EINVAL);
  check_equal("an interrupt gate", update(SPARE, descriptor(0, 0x67, 0xAE, 0)), -EINVAL);
  check_equal("not aligned", HYPERVISOR_update_descriptor(make_pte(va_to_mfn(va_of(gdt)), 4), 0), -EINVAL);
  check_equal("a page table", HYPERVISOR_update_descriptor(make_pte(va_to_mfn(start_info->pt_base), 0), 0),
              -EINVAL);
}

static int set_ldt(uint32_t base, uint32_t entries) {
  struct mmuext_op op = {MMUEXT_SET_LDT, base, entries};
  return HYPERVISOR_mmuext_op(&op, 1, 0, DOMID_SELF);
}

static void local(void) {
  ldt[1] = descriptor(0, 0xFFFFF, 0xB3, G_AND_32BIT);
  check_equal("not aligned", set_ldt(va_of(ldt) + 8, 4), -EINVAL);
  check_equal("too many entries", set_ldt(va_of(ldt), 8193), -EINVAL);
  check_equal("a writable page is not looked at yet", set_ldt(va_of(ldt), 512), 0);
  struct caught trap = catch_trap(load_es_only, LDT_SELECTOR(1));
  check_equal("its first use", trap.vector, VECTOR_PF);
  check_equal("cr2", trap.cr2, va_of(&ldt[1]));
  remap_page(va_of(ldt), PTE_P | PTE_A);
  expect_no_trap("its first use, read-only", load_es_only, LDT_SELECTOR(1));
  segment_offset = va_of(data);
  expect_no_trap("a store through it", es_store, LDT_SELECTOR(1));
  check_equal("writable now", remap_page(va_of(ldt), PTE_KERNEL), -EBUSY);
  check_equal("one entry only", set_ldt(va_of(ldt), 1), 0);
  expect_trap("beyond it", load_es_only, LDT_SELECTOR(1), VECTOR_GP, LDT_SELECTOR(1) & ~3u, at_load_es);
  check_equal("none", set_ldt(0, 0), 0);
  check_equal("writable again", remap_page(va_of(ldt), PTE_KERNEL), 0);
}

static void remove(void) {
  check_equal("set_gdt of nothing", HYPERVISOR_set_gdt(0, 0), 0);
  expect_trap("an entry that is gone", load_es_only, SELECTOR(FLAT), VECTOR_GP, SELECTOR(FLAT) & ~3u,
              at_load_es);
  check_equal("writable again", remap_page(va_of(gdt), PTE_KERNEL), 0);
}

TEST("descriptors") {
  fill();
  install();
  limits();
  types();
  questions();
  updates();
  local();
  remove();
}
