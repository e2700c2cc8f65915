/*
 * String instructions: results, and what is left in the registers when a page is missing half-way.
 *
 * - A fault in the middle leaves ESI, EDI and ECX at the element that failed and
 *   EIP at the instruction: mapped in, the page lets it simply go on.
 * - ECX 0 touches nothing.
 * - DF counts down; overlapping copies go element by element.
 * - REPE and REPNE stop behind the element that decides.
 */
#include "harness.h"
#include "string.h"

void rep_movsb(uint32_t), rep_movsd(uint32_t), rep_stosd_down(uint32_t), repe_cmpsb(uint32_t), repne_scasb(uint32_t);
void rep_lodsb(uint32_t);
extern char at_rep_movsb[], at_rep_movsd[];
extern struct {
  uint32_t esi, edi, ecx, eax;
} given;
extern volatile struct {
  uint32_t esi, edi, ecx, eax, eflags;
} left;

#define EFLAGS_ZF 0x40u

static PAGE_ALIGNED char source[PAGE_SIZE];
static PAGE_ALIGNED char target[2 * PAGE_SIZE];
#define SECOND (va_of(target) + PAGE_SIZE)

static struct trap_frame at_fault;
static unsigned faults;

/* Demand paging in its smallest form: map the page, go back. */
static int map_in(struct trap_frame *frame) {
  if (frame->vector != VECTOR_PF) return 0;
  at_fault = *frame;
  faults++;
  return remap_page(SECOND, PTE_KERNEL) == 0;
}

static void run(const char *what, void (*body)(uint32_t), uint32_t esi, uint32_t edi, uint32_t ecx,
                uint32_t eax) {
  given.esi = esi;
  given.edi = edi;
  given.ecx = ecx;
  given.eax = eax;
  expect_no_trap(what, body, 0);
}

static void check_registers(const char *what, uint32_t esi, uint32_t edi, uint32_t ecx) {
  check(left.esi == esi && left.edi == edi && left.ecx == ecx, "%s: esi %p edi %p ecx %u, want %p %p %u", what,
        left.esi,
        left.edi, left.ecx, esi, edi, ecx);
}

static void restart(const char *what, void (*body)(uint32_t), const char *at, uint32_t size, uint32_t before) {
  uint32_t edi = SECOND - before, count = 64;
  memset(target, 0, sizeof target);
  HYPERVISOR_update_va_mapping(SECOND, 0, UVMF_INVLPG);
  faults = 0;
  trap_hook = map_in;
  run(what, body, va_of(source), edi, count, 0);
  trap_hook = 0;
  uint32_t whole = before / size; /* elements that fit in front of the missing page */
  check_equal("faults", faults, 1);
  check_equal("eip at the fault", at_fault.eip, va_of(at));
  check_equal("esi at the fault", at_fault.esi, va_of(source) + whole * size);
  check_equal("edi at the fault", at_fault.edi, edi + whole * size);
  check_equal("ecx at the fault", at_fault.ecx, count - whole);
  check_equal("error code", at_fault.error, 2);
  check_equal("cr2", shared_info->vcpu_info[0].cr2, SECOND);
  check_registers(what, va_of(source) + count * size, edi + count * size, 0);
  check(memcmp((void *)edi, source, count * size) == 0, "%s: the copy differs", what);
}

static void restarts(void) {
  restart("rep movsb, a page missing", rep_movsb, at_rep_movsb, 1, 24);
  restart("rep movsd, a page missing", rep_movsd, at_rep_movsd, 4, 40);
  restart("rep movsd, an element cut in two", rep_movsd, at_rep_movsd, 4, 42);
}

static void results(void) {
  run("rep lodsb of nothing", rep_lodsb, 0x1000, 0x2000, 0, 7);
  check_registers("rep lodsb of nothing", 0x1000, 0x2000, 0);

  memset(target, 0, 64);
  run("rep stosd down", rep_stosd_down, 0, va_of(target) + 32, 4, 0xA1B2C3D4);
  check_registers("rep stosd down", 0, va_of(target) + 16, 0);
  check_equal("its last element", *(volatile uint32_t *)(target + 20), 0xA1B2C3D4);
  check_equal("below it", *(volatile uint32_t *)(target + 16), 0);
  check_equal("above it", *(volatile uint32_t *)(target + 36), 0);

  target[0] = 'x';
  run("overlapping rep movsb", rep_movsb, va_of(target), va_of(target) + 1, 31, 0);
  check_equal("one byte has become many", (uint8_t)((volatile char *)target)[31], 'x');

  memcpy(target, source, 100);
  target[60]++;
  run("repe cmpsb", repe_cmpsb, va_of(source), va_of(target), 100, 0);
  check_registers("repe cmpsb", va_of(source) + 61, va_of(target) + 61, 39);
  check_equal("ZF: different", left.eflags & EFLAGS_ZF, 0);
  run("repe cmpsb, equal", repe_cmpsb, va_of(source), va_of(target), 60, 0);
  check_equal("ZF: equal", left.eflags & EFLAGS_ZF, EFLAGS_ZF);

  memset(target, 'a', 50);
  target[33] = 'b';
  run("repne scasb", repne_scasb, 0, va_of(target), 50, 'b');
  check_registers("repne scasb", 0, va_of(target) + 34, 16);
  check_equal("ZF: found", left.eflags & EFLAGS_ZF, EFLAGS_ZF);
  run("repne scasb, not there", repne_scasb, 0, va_of(target), 33, 'b');
  check_equal("ZF: not found", left.eflags & EFLAGS_ZF, 0);
}

TEST("strings") {
  for (unsigned i = 0; i < PAGE_SIZE; i++) source[i] = (char)(i * 13 + 1);
  restarts();
  results();
}
