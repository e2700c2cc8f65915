/*
 * What traps, what lies?
 *
 * This kernel was written for ring 0 and runs in ring 1. It tries what a kernel
 * does, and prints what it believes happened. An outcome is one of four:
 *
 *   served     it asked Xen, by a hypercall, and Xen did it
 *   emulated   it just did it; the processor trapped, and Xen did it instead
 *   refused    the processor trapped, and the trap came back to the kernel
 *   silent     nothing trapped, and the answer is that of another machine
 *
 * The last kind is why x86 was thought impossible to virtualise.
 */
#include "events.h"
#include "hypercall.h"
#include "memory.h"
#include "print.h"
#include "xen/sched.h"

/* What the gates leave on the stack, from the top. */
struct trap_frame {
  uint32_t es, ds;
  uint32_t edi, esi, ebp, esp_of_pusha, ebx, edx, ecx, eax;
  uint32_t error;
  uint32_t eip;
  uint16_t cs;
  uint8_t saved_mask; /* the event mask before the trap: Xen writes it beside CS */
  uint8_t pad;
  uint32_t eflags;
  uint32_t esp, ss; /* only when the trap came from ring 3 */
};

/* What SIDT and SGDT store. */
struct table_register {
  uint16_t limit;
  uint16_t base_low, base_high;
};

void try_cli(void);
uint32_t try_mov_cr3(void);
int try_hypercall(void);
uint32_t try_popf(void);
void try_sidt(struct table_register *to);
void try_sgdt(struct table_register *to);
uint32_t try_pushf(void);
uint32_t try_lar(uint32_t selector);
uint32_t try_mov_cs(void);
int try_door_int82(void);
int try_mmu_update(const struct mmu_update *request);

void enter_application(uint32_t eip, uint32_t esp, uint32_t eflags);

extern char gate_gp[], gate_syscall[];
extern char application[], application_stack[], application_stack_top[];
extern char kernel_stack_top[];
extern char at_cli[], door_int82_ring3[];

#define VECTOR_GP 13
#define VECTOR_SYSCALL 0x80

#define OPCODE_CLI 0xFA
#define OPCODE_INT 0xCD

static unsigned refusals;
static unsigned knocks;

static int event_mask(void) { return shared_info->vcpu_info[0].evtchn_upcall_mask; }
static int ring_of(uint32_t cs) { return cs & 3; }

static void install_gates(unsigned syscall_flags) {
  const struct trap_info gates[] = {
      {VECTOR_GP, TI_DPL(0), FLAT_RING1_CS, va_of(gate_gp)},
      {VECTOR_SYSCALL, (uint8_t)(TI_DPL(3) | syscall_flags), FLAT_RING1_CS, va_of(gate_syscall)},
      {0, 0, 0, 0},
  };
  HYPERVISOR_set_trap_table(gates);
}

/* #GP: note it, and step over the instruction. A fault would otherwise happen for ever. */
void on_general_protection(struct trap_frame *frame) {
  const uint8_t *code = (const uint8_t *)frame->eip;
  refusals++;
  if (code[0] == OPCODE_CLI) {
    frame->eip += 1;
  } else if (code[0] == OPCODE_INT) {
    print("   #GP: ring %d tried int 0x%02x, error code 0x%x. I step over it\n", ring_of(frame->cs), code[1],
          frame->error);
    frame->eip += 2;
  } else {
    panic("#GP(0x%x) at 0x%p", frame->error, frame->eip);
  }
}

static void the_end(void);

/* int 0x80 from ring 3. EAX says what is wanted. Returns whether events are masked now. */
int on_syscall(struct trap_frame *frame) {
  if (frame->eax == 2) the_end();
  knocks++;
  print("   knock %u: from ring %d to ring %d, event mask %d before and %d now: %s\n", knocks, ring_of(frame->cs),
        ring_of(try_mov_cs()), frame->saved_mask, event_mask(),
        event_mask() ? "somebody was here before me" : "straight to me");
  if (knocks == 1) {
    print("   I change one flag of this gate: mask events on entry\n");
    install_gates(TI_MASK_EVENTS);
  }
  return event_mask();
}

static void refused(void) {
  try_cli();
  print("1. cli: refused. %u #GP came to my own handler; events are %s\n", refusals,
        event_mask() ? "masked, but they were before" : "not masked");
}

static void emulated(void) {
  uint32_t cr3 = try_mov_cr3();
  uint32_t mfn = va_to_mfn(start_info->pt_base);
  print("2. mov eax, cr3: 0x%p. %s; I never saw a trap\n", cr3,
        cr3 == (mfn << 12 | mfn >> 20) ? "The frame of my own top page table" : "Not the frame I know");
}

static void served(void) {
  int version = try_hypercall();
  print("3. int 0x82: served. Xen says it is version %d.%d\n", version >> 16, version & 0xFFFF);
}

static void silent(void) {
  uint32_t flags = try_popf();
  print("4. popf with IF=0: IF is %d. No trap, no error, no effect\n", (flags & EFLAGS_IF) != 0);
}

static void print_table(const char *name, const struct table_register *table) {
  print("   %s: base 0x%04x%04x, limit 0x%x. I never loaded it\n", name, table->base_high, table->base_low,
        table->limit);
}

static void lies(void) {
  struct table_register idt, gdt;
  print("5. The wrong machine's truth:\n");
  try_sidt(&idt);
  print_table("sidt", &idt);
  try_sgdt(&gdt);
  print_table("sgdt", &gdt);
  uint32_t flags = try_pushf();
  print("   pushf: IF is %d, IOPL %d; my events are %s\n", (flags & EFLAGS_IF) != 0, (flags & EFLAGS_IOPL) >> 12,
        event_mask() ? "masked" : "not masked");
  uint32_t cs = try_mov_cs();
  uint32_t rights = try_lar(cs);
  print("   lar: rights 0x%x, so my code segment is for ring %d\n", rights, (rights >> 13) & 3);
  print("   mov ax, cs: 0x%04x, so I am in ring %d\n", cs, ring_of(cs));
}

/* Its code may be read there, its stack written; the kernel's pages stay closed to ring 3. */
static void three_doors(void) {
  int rc = remap_page(va_of(application), PTE_P | PTE_US | PTE_A);
  if (rc == 0) rc = remap_page(va_of(application_stack), PTE_KERNEL | PTE_US);
  if (rc != 0) panic("no pages for the application: %d", rc);
  HYPERVISOR_stack_switch(FLAT_RING1_DS, va_of(kernel_stack_top));
  print("6. An application goes to ring 3 and knocks at int 0x80, twice, then at int 0x82\n");
  enter_application(va_of(application), va_of(application_stack_top), EFLAGS_IF);
}

/* Page tables are read-only to us. Ask for a writable mapping of one, by the front door. */
static void refused_politely(void) {
  const volatile pte_t *table = find_pte(VIRT_BASE);
  struct mmu_update request = {pte_maddr(va_of(table)) | MMU_NORMAL_PT_UPDATE,
                               make_pte(va_to_mfn(va_of(table)), PTE_KERNEL)};
  int rc = try_mmu_update(&request);
  print("8. mmu_update, my own page table writable for me: answer %d\n", rc);
}

/* The application has left. We are on a fresh kernel stack and do not go back. */
static void the_end(void) {
  print("   the application leaves\n");
  print("7. int 0x82 from ring %d: answer %d\n", ring_of(try_mov_cs()), try_door_int82());
  refused_politely();
  print("That is what I believe. The trap log knows better.\n");
  shutdown(SHUTDOWN_poweroff);
}

void kernel_main(void) {
  events_init(); /* the application runs with events on: there must be somebody to take them */
  install_gates(0);
  print("What traps, what lies?\n");
  refused();
  emulated();
  served();
  silent();
  lies();
  three_doors();
}
