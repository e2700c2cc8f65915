/* The C half of the harness: counting, catching, and the verdict. */
#include "events.h"
#include "harness.h"
#include "print.h"
#include "xen/sched.h"

int call_body(void (*body)(uint32_t), uint32_t arg);
void leave_body(void);
void enter_ring3(uint32_t eip, uint32_t eax);

extern char __start_user[], __stop_user[];

uint32_t body_esp; /* where call_body wants to go on; 0 outside any */
int (*trap_hook)(struct trap_frame *frame);

static unsigned checks, failures;
static char first_failure[128];
static struct caught last_trap;

static void failed(const char *what) {
  if (failures++ == 0) format(first_failure, sizeof first_failure, "%s", what);
  print("  %s\n", what);
}

void check(int ok, const char *what, ...) {
  char text[128];
  va_list values;
  checks++;
  if (ok) return;
  va_start(values, what);
  format_list(text, sizeof text, what, values);
  va_end(values);
  failed(text);
}

/* Small numbers and errors read best in decimal, everything else in hexadecimal. */
void check_equal(const char *what, int64_t got, int64_t want) {
  if (want > -1000 && want < 1000)
    check(got == want, "%s: got %lld, want %lld", what, got, want);
  else
    check(got == want, "%s: got 0x%llx, want 0x%llx", what, got, want);
}

static void verdict(void) {
  if (failures == 0) {
    print("%s: %u checks\nPASS %s\n", test_name, checks, test_name);
  } else {
    print("%s: %u of %u checks failed\nFAIL %s: %s\n", test_name, failures, checks, test_name, first_failure);
  }
  shutdown(SHUTDOWN_poweroff);
}

uint8_t *event_mask(void) {
  map_shared_info();
  return (uint8_t *)&shared_info->vcpu_info[0].evtchn_upcall_mask;
}

static void remember(const struct trap_frame *frame) {
  int outer = frame->cs & 2;
  last_trap.vector = (int)frame->vector;
  last_trap.error = frame->error;
  last_trap.eip = frame->eip;
  last_trap.cs = frame->cs;
  last_trap.saved_mask = frame->saved_mask;
  last_trap.eflags = frame->eflags;
  last_trap.esp = outer ? frame->esp : va_of(&frame->esp);
  last_trap.ss = outer ? frame->ss : read_ss();
  last_trap.cr2 = shared_info->vcpu_info[0].cr2;
  last_trap.mask_in_handler = *event_mask();
  last_trap.handler_cs = read_cs();
  last_trap.eax = frame->eax;
}

/* Called by trap_common. Returning means: go back to where the trap came from. */
void on_trap(struct trap_frame *frame) {
  if (trap_hook && trap_hook(frame)) return;
  remember(frame);
  if (body_esp == 0) {
    check(0, "trap %u, error 0x%x, at 0x%p, cr2 0x%p", frame->vector, frame->error, frame->eip, last_trap.cr2);
    verdict();
  }
  leave_body();
}

struct caught catch_trap(void (*body)(uint32_t), uint32_t arg) {
  uint8_t mask = *event_mask();
  if (!call_body(body, arg)) last_trap.vector = NO_TRAP;
  *event_mask() = mask; /* ring 3 runs with events on; nobody here is ready for them */
  return last_trap;
}

struct caught expect_trap(const char *what, void (*body)(uint32_t), uint32_t arg, int vector, uint32_t error,
                          const void *at) {
  struct caught trap = catch_trap(body, arg);
  check(trap.vector == vector, "%s: trap %d, want %d", what, trap.vector, vector);
  if (trap.vector != vector) return trap;
  check(trap.error == error, "%s: error code 0x%x, want 0x%x", what, trap.error, error);
  check(at == 0 || trap.eip == va_of(at), "%s: at 0x%p, want 0x%p", what, trap.eip, va_of(at));
  return trap;
}

void expect_no_trap(const char *what, void (*body)(uint32_t), uint32_t arg) {
  struct caught trap = catch_trap(body, arg);
  check(trap.vector == NO_TRAP, "%s: trap %d, error 0x%x, at 0x%p", what, trap.vector, trap.error, trap.eip);
}

static uint32_t ring3_eax;

static void go_to_ring3(uint32_t code) { enter_ring3(code, ring3_eax); }

struct caught run_in_ring3(const void *code, uint32_t eax) {
  ring3_eax = eax;
  return catch_trap(go_to_ring3, va_of(code));
}

void set_gate_to(uint8_t vector, uint8_t flags, uint16_t cs, const void *address) {
  struct trap_info gates[2] = {{vector, flags, cs, va_of(address)}, {0, 0, 0, 0}};
  check_equal("set_trap_table", HYPERVISOR_set_trap_table(gates), 0);
}

void set_gate(uint8_t vector, uint8_t flags) {
  set_gate_to(vector, flags, FLAT_RING1_CS, (const void *)trap_stub[vector]);
}

static void open_user_pages(void) {
  for (uint32_t va = va_of(__start_user) & PAGE_MASK; va < va_of(__stop_user); va += PAGE_SIZE)
    remap_page(va, PTE_P | PTE_US | PTE_A);
  remap_page(va_of(user_stack), PTE_KERNEL | PTE_US);
}

/* All exceptions, and the way back from ring 3. */
void install_gates(void) {
  struct trap_info gates[34];
  for (uint8_t vector = 0; vector <= VECTOR_DONE; vector++)
    gates[vector] = (struct trap_info){vector, GATE_KERNEL, FLAT_RING1_CS, trap_stub[vector]};
  gates[VECTOR_DONE].flags = GATE_USER;
  gates[VECTOR_DONE + 1].address = 0;
  HYPERVISOR_set_trap_table(gates);
}

void kernel_main(void) {
  events_init(); /* who lets events in, if only for a trip to ring 3, must be ready to take one */
  install_gates();
  HYPERVISOR_stack_switch(FLAT_RING1_DS, va_of(trap_stack_top));
  open_user_pages();
  test_main();
  verdict();
}
