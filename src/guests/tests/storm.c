/*
 * A hostile guest: random hypercalls with random arguments, and random page-table edits.
 *
 * It proves nothing by its own eyes but that Xen survives, and that no refusal
 * and no success changed the kernel's own pages. Run it with the audit, which sees the rest.
 *
 *   count=N   how many calls, 5000 if not given
 *   seed=N    another storm
 *
 * What it does not do: stop itself (shutdown, block, poll, down, iret), and reach
 * for the frames it needs to stay alive (image, boot page tables' own entries).
 */
#include "cpu.h"
#include "harness.h"
#include "string.h"

#define PLAYGROUND_PAGES 24
#define WORK_WORDS 256
#define MAX_TABLES 8

/* Pages whose mappings, types and contents are fair game. */
static PAGE_ALIGNED char playground[PLAYGROUND_PAGES * PAGE_SIZE];
static uint32_t playground_mfn[PLAYGROUND_PAGES];

/* Their entries, and the upper tables: looked up beforehand, because the storm rewrites M2P. */
static uint32_t playground_entry[PLAYGROUND_PAGES];
static uint64_t playground_entry_maddr[PLAYGROUND_PAGES], l2_maddr, l3_maddr;

/* Where arguments are made; its own mapping is left alone. */
static PAGE_ALIGNED uint32_t work[WORK_WORDS * 4];

extern char __start_user[], _end[];
static uint32_t table_mfn[MAX_TABLES], nr_tables;

/* One bit for each frame of the machine: what we cannot live without, and our boot page tables. */
#define MAPPED_FRAMES 0x10000u
static uint32_t needed[MAPPED_FRAMES / 32], tables[MAPPED_FRAMES / 32];

static uint32_t state = 1;

static uint32_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

static uint32_t below(uint32_t limit) { return next_random() % limit; }
static uint32_t pick(const uint32_t *from, uint32_t count) { return from[below(count)]; }
static uint32_t playground_frame(void) { return playground_mfn[below(PLAYGROUND_PAGES)]; }

static int is_precious_va(uint32_t va) {
  int in_image = va >= VIRT_BASE && va < ((va_of(_end) + PAGE_SIZE) & PAGE_MASK);
  int in_playground = va >= va_of(playground) && va < va_of(playground) + sizeof playground;
  int in_work = va >= va_of(work) && va < va_of(work) + sizeof work - PAGE_SIZE;
  int boot_stack_and_lists = va >= start_info->mfn_list && va < start_info->pt_base;
  return (in_image && !in_playground && !in_work) || boot_stack_and_lists;
}

static int is_marked(const uint32_t *map, uint32_t mfn) { return mfn < MAPPED_FRAMES && test_bit(map, mfn); }

static uint32_t some_mfn(void) {
  switch (below(8)) {
    case 0:
      return pick(table_mfn, nr_tables);
    case 1:
      return below(0x10000);
    case 2:
      return next_random();
    default:
      return playground_frame();
  }
}

/* A frame that may be mapped: the page tables are among them, Xen must see to it that they are not mapped writable. */
static uint32_t mappable_mfn(void) {
  uint32_t mfn = some_mfn();
  return is_marked(needed, mfn) ? playground_frame() : mfn;
}

/* A frame whose contents do not matter to us. */
static uint32_t harmless_mfn(void) {
  uint32_t mfn = mappable_mfn();
  return is_marked(tables, mfn) ? playground_frame() : mfn;
}

static uint32_t some_va(void) {
  static const uint32_t edges[] = {0, 1, 0xFFFFFFFC, 0xFFFFFFFF, HYPERVISOR_VIRT_START,
                                   HYPERVISOR_VIRT_START - 2, 0xF6800000};
  uint32_t va;
  switch (below(8)) {
    case 0:
      return pick(edges, sizeof edges / sizeof edges[0]);
    case 1:
      va = next_random();
      break;
    case 2:
      va = va_of(playground) + below(sizeof playground);
      break;
    default:
      va = va_of(work) + below(WORK_WORDS) * 4;
      break;
  }
  return is_precious_va(va) || is_precious_va(va + 2 * PAGE_SIZE) ? va_of(work) : va;
}

static uint32_t some_value(void) {
  static const uint32_t values[] = {0,    1,    2,          3,         4,         7,          8,          511,
                                    512,  1023, 1024,       4095,      4096,      7168,       8192,       DOMID_SELF,
                                    DOMID_IO, DOMID_XEN, DOMID_INVALID, 0x80000000, 0x7FFFFFFF, 0xFFFFFFFF};
  switch (below(6)) {
    case 0:
      return harmless_mfn();
    case 1:
      return some_va();
    case 2:
      return next_random();
    case 3:
      return below(40);
    default:
      return pick(values, sizeof values / sizeof values[0]);
  }
}

static uint64_t some_pte(void) {
  uint32_t flags = below(4) == 0 ? next_random() & 0xFFF : PTE_P | (next_random() & (PTE_RW | PTE_US | PTE_A | PTE_D));
  return make_pte(mappable_mfn(), flags) | (below(16) == 0 ? (uint64_t)next_random() << 32 : 0);
}

/* The machine address of an entry we can do without. */
static uint64_t some_entry(void) {
  switch (below(5)) {
    case 0:
      return l2_maddr + (300 + below(212)) * 8; /* behind our own memory, and Xen's part */
    case 1:
      return l3_maddr + below(3) * 8; /* the empty slots */
    case 2:
      return make_pte(harmless_mfn(), next_random() & 0xFFF);
    default:
      return playground_entry_maddr[below(PLAYGROUND_PAGES)];
  }
}

/* No structure is longer than this; the rest stays as earlier calls left it. */
static void fill_work(void) {
  for (unsigned i = 0; i < 32; i++) work[i] = some_value();
}

static void storm_mmu_update(void) {
  struct mmu_update *list = (struct mmu_update *)work;
  uint32_t count = 1 + below(4);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t command = below(3) == 0 ? below(8) : 0;
    /* A machine-to-physical update takes any frame; the P2M is kept by us, so it does no harm. */
    list[i] = (struct mmu_update){(some_entry() & ~7ull) | command, some_pte()};
  }
  HYPERVISOR_mmu_update(list, count, below(2) ? &work[200] : 0, below(8) ? DOMID_SELF : some_value());
}

static void storm_update_va_mapping(void) {
  uint32_t va = below(4) ? va_of(playground) + below(sizeof playground) : some_va();
  if (va >= va_of(work) && va < va_of(work) + sizeof work) return;
  pte_t pte = below(3) ? some_pte() : make_pte(playground_frame(), PTE_KERNEL);
  HYPERVISOR_update_va_mapping(va, pte, below(8) ? UVMF_INVLPG : some_value());
}

static void storm_mmuext(void) {
  struct mmuext_op *list = (struct mmuext_op *)work;
  uint32_t count = 1 + below(3);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t cmd = below(3) ? below(5) : below(22);
    uint32_t arg1 = harmless_mfn();
    if (cmd == MMUEXT_NEW_BASEPTR || cmd == MMUEXT_UNPIN_TABLE) arg1 = playground_frame();
    if (cmd == MMUEXT_SET_LDT) arg1 = some_va();
    list[i] = (struct mmuext_op){cmd, arg1, cmd == MMUEXT_COPY_PAGE ? harmless_mfn() : some_value()};
  }
  HYPERVISOR_mmuext_op(list, count, below(2) ? &work[200] : 0, below(8) ? DOMID_SELF : some_value());
}

/* Descriptors go only where a descriptor, or nothing of ours, can be. */
static void storm_descriptor(void) {
  HYPERVISOR_update_descriptor(make_pte(playground_frame(), next_random() & 0xFFF),
                               (uint64_t)next_random() << 32 | next_random());
}

/* Structures at `work`: every word is some value. Frames named there are harmless ones. */
static void storm_with_structure(void) {
  static const uint32_t calls[] = {20, 32, 12, 33, 30, 24, 17, 29};
  uint32_t number = pick(calls, sizeof calls / sizeof calls[0]);
  uint32_t cmd = below(8) ? below(16) : some_value();
  fill_work();
  switch (number) {
    case 20: { /* grant_table_op: host addresses must not hit our own pages */
      for (unsigned i = 0; i < 8; i++) {
        work[i * 8] = va_of(playground) + below(PLAYGROUND_PAGES) * PAGE_SIZE;
        work[i * 8 + 1] = below(8) ? 0 : some_value();
        work[i * 8 + 2] &= ~16u; /* no address of an entry: it could be one of ours */
        work[i * 8 + 4] = below(2) ? 1 : some_value();
      }
      if (cmd == 4 || cmd == 5) work[0] = work[2] = playground_frame(); /* transfer, copy */
      hypercall(number, cmd, va_of(work), below(8) ? below(4) : some_value(), 0, 0);
      return;
    }
    case 24: /* vcpu_op: anything but down, an NMI, and areas that would be written for ever */
      if (cmd == 2 || cmd == 5 || cmd == 10 || cmd == 11 || cmd == 13) return;
      hypercall(number, cmd, below(4) ? 0 : some_value(), va_of(work), 0, 0);
      return;
    case 29: /* sched_op: yield, remote_shutdown, shutdown_code's neighbours, unknown ones */
      if (cmd == 1 || cmd == 2 || cmd == 3 || cmd == 5 || cmd == 6) return;
      hypercall(number, cmd, va_of(work), 0, 0, 0);
      return;
    case 12: /* memory_op: lists of harmless frames */
      if ((cmd & 63) == 11) return; /* exchange would take frames whose new numbers we could not keep up with */
      work[0] = va_of(&work[100]);
      work[1] = below(8);
      for (unsigned i = 100; i < 108; i++) work[i] = playground_frame();
      if (below(2)) work[4] = DOMID_SELF;
      hypercall(number, cmd, va_of(work), 0, 0, 0);
      return;
    default:
      hypercall(number, cmd, below(8) ? va_of(work) : some_va(), 0, 0, 0);
  }
}

/* Numbers that cannot hurt with any arguments, and those that nobody knows. */
static void storm_any(void) {
  static const uint32_t calls[] = {0, 2, 3, 4, 5, 8, 9, 11, 15, 17, 21, 25, 27, 28, 30, 31, 34, 35, 36, 37, 38,
                                   39, 40, 41, 42, 48, 63, 64};
  uint32_t number = below(8) ? pick(calls, sizeof calls / sizeof calls[0]) : 50 + below(0x10000);
  fill_work();
  hypercall(number, some_value(), some_value(), some_va(), some_value(), some_value());
  if (number == 0) install_gates(); /* set_trap_table found a list somewhere */
}

/* With the assist of writable page tables, a plain store is a page-table edit too. */
static void write_entry(uint32_t entry) { *(volatile uint32_t *)entry = (uint32_t)some_pte(); }
static void storm_store(void) {
  catch_trap(write_entry, playground_entry[below(PLAYGROUND_PAGES)] + below(2) * 4);
}

static uint32_t sum_of(const char *from, const char *to) {
  uint32_t sum = 0;
  for (const uint32_t *word = (const uint32_t *)from; word < (const uint32_t *)to; word++) sum = (sum << 1 | sum >> 31) ^ *word;
  return sum;
}

static void prepare(void) {
  for (uint32_t i = 0; i < PLAYGROUND_PAGES; i++) {
    uint32_t va = va_of(playground) + i * PAGE_SIZE;
    playground_mfn[i] = va_to_mfn(va);
    playground_entry[i] = va_of(find_pte(va));
    playground_entry_maddr[i] = pte_maddr(va);
  }
  const volatile pte_t *l3 = (const volatile pte_t *)start_info->pt_base;
  l3_maddr = make_pte(va_to_mfn(start_info->pt_base), 0);
  l2_maddr = make_pte((uint32_t)(l3[3] >> PAGE_SHIFT), 0);
  uint32_t end = start_info->pt_base; /* image, P2M, start_info and the rings */
  for (uint32_t va = VIRT_BASE; va < end; va += PAGE_SIZE)
    if (va < va_of(playground) || va >= va_of(playground) + sizeof playground) atomic_set_bit(needed, va_to_mfn(va));
  atomic_set_bit(needed, start_info->shared_info >> PAGE_SHIFT); /* a mask byte that changes would let events in */
  for (; nr_tables < start_info->nr_pt_frames && nr_tables < MAX_TABLES; nr_tables++) {
    table_mfn[nr_tables] = va_to_mfn(start_info->pt_base + nr_tables * PAGE_SIZE);
    atomic_set_bit(tables, table_mfn[nr_tables]);
  }
}

TEST("storm") {
  static void (*const kinds[])(void) = {
      storm_mmu_update, storm_mmu_update, storm_update_va_mapping, storm_update_va_mapping, storm_mmuext, storm_mmuext,
      storm_descriptor, storm_with_structure, storm_with_structure, storm_any, storm_store,
  };
  const char *count = command_line("count"), *seed = command_line("seed");
  uint32_t calls = count ? parse_number(count) : 5000;
  if (seed) state = parse_number(seed) | 1;
  prepare();
  const char *text_end = __start_user;
  uint32_t before = sum_of((const char *)VIRT_BASE, text_end);
  for (uint32_t i = 0; i < calls; i++) {
    kinds[below(sizeof kinds / sizeof kinds[0])]();
    *event_mask() = 1;
  }
  install_gates();
  check_equal("the kernel's code has changed", sum_of((const char *)VIRT_BASE, text_end), before);
}
