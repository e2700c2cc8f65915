/*
 * What the conformance guests have in common.
 *
 * A test is one TEST(name) with checks in it. Each failed check prints a line;
 * the last line of the console is the verdict, "PASS name" or "FAIL name: what",
 * and the domain powers off either way. A trap nobody expected is a failure too.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include "hypercall.h"
#include "memory.h"
#include "print.h"
#include "xen/errno.h"

#define TEST(name)                     \
  const char test_name[] = name;       \
  void test_main(void)

extern const char test_name[];
void test_main(void);

/* `ok` must be true; if not, `what` (with values) says what is wrong. */
void check(int ok, const char *what, ...);

/* The two numbers must be equal. */
void check_equal(const char *what, int64_t got, int64_t want);

/* What lies on the stack when the C side of a trap handler runs. */
struct trap_frame {
  uint32_t edi, esi, ebp, esp_of_pusha, ebx, edx, ecx, eax;
  uint32_t es, ds;
  uint32_t vector;
  uint32_t error; /* 0 for vectors without one */
  uint32_t eip;
  uint16_t cs;
  uint8_t saved_mask;
  uint8_t pad;
  uint32_t eflags;
  uint32_t esp, ss; /* only if ring 3 was interrupted */
};

/* What catch_trap found. */
struct caught {
  int vector; /* NO_TRAP if the body simply returned */
  uint32_t error;
  uint32_t eip;
  uint32_t cs;
  uint32_t saved_mask;
  uint32_t eflags;
  uint32_t esp; /* of the interrupted context */
  uint32_t ss;
  uint32_t cr2;
  uint32_t mask_in_handler;
  uint32_t handler_cs;
  uint32_t eax; /* of the interrupted context */
};
#define NO_TRAP (-1)

enum {
  VECTOR_DE = 0,
  VECTOR_DB = 1,
  VECTOR_BP = 3,
  VECTOR_OF = 4,
  VECTOR_BR = 5,
  VECTOR_UD = 6,
  VECTOR_NM = 7,
  VECTOR_TS = 10,
  VECTOR_NP = 11,
  VECTOR_SS = 12,
  VECTOR_GP = 13,
  VECTOR_PF = 14,
  VECTOR_AC = 17,
  VECTOR_DONE = 0x20, /* how code in ring 3 comes back */
};

/* The error code of #GP when `int vector` is refused: the gate's place in the IDT. */
#define IDT_ERROR(vector) ((vector)*8 + 2)

/* Run body(arg) until it returns or traps. A trap ends it wherever it is, in whichever ring. */
struct caught catch_trap(void (*body)(uint32_t arg), uint32_t arg);

/* catch_trap, and complain unless it ended with this vector, error code and address. Address 0: any. */
struct caught expect_trap(const char *what, void (*body)(uint32_t), uint32_t arg, int vector, uint32_t error,
                          const void *at);

/* catch_trap, and complain if there was any trap. */
void expect_no_trap(const char *what, void (*body)(uint32_t), uint32_t arg);

/* Run code of section `user` in ring 3 until it traps; `done: int 0x20` is the ordinary end. */
struct caught run_in_ring3(const void *code, uint32_t eax);

/* If set, called for every trap first; a non-zero answer means "handled: go back to the frame". */
extern int (*trap_hook)(struct trap_frame *frame);

/* Every exception to the harness, as at the start of a test. */
void install_gates(void);

/* Replace one slot of the trap table by the stub of the same number (below NR_STUBS). */
void set_gate(uint8_t vector, uint8_t flags);
void set_gate_to(uint8_t vector, uint8_t flags, uint16_t cs, const void *address);
#define NR_STUBS 0x30
extern const uint32_t trap_stub[NR_STUBS];

/* The flags of the harness's own gates: handlers run with events masked. */
#define GATE_KERNEL (TI_DPL(0) | TI_MASK_EVENTS)
#define GATE_USER (TI_DPL(3) | TI_MASK_EVENTS)

/* The stack that stack_switch was told: frames from ring 3 end here. */
extern char trap_stack_top[];
extern char user_stack[], user_stack_top[];
extern char user_done[]; /* ring-3 code: int 0x20 */

uint32_t read_cs(void);
uint32_t read_ss(void);
uint32_t read_eflags(void);
uint8_t *event_mask(void);

/* Small bodies for catch_trap. */
void load_byte(uint32_t address);
void store_byte(uint32_t address);
void call_address(uint32_t address);
extern char load_byte_at[], store_byte_at[]; /* where they trap */

#endif
