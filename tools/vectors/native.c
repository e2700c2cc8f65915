/*
 * Runs single instructions natively in 32-bit protected mode, ring 3, and reports what the processor did.
 *
 * stdin: requests, stdout: answers, both arrays of little-endian 32-bit words (struct request and struct answer below, each
 * followed by its bytes of memory). Memory the instruction may touch are the windows; everything in them is zero
 * but what the request says, and the code window is filled with INT3. A signal to ourselves enters the test: its handler replaces
 * the saved context by the test's registers, and the trap after the instruction (TF, or the INT3 behind it), or
 * the fault it raised, brings them back. Handlers run on a stack of their own and use neither TLS nor libc.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { LOW = 0x00010000, DATA = 0x10000000, CODE = 0x20000000, STACK = 0x30000000, PAGE = 4096 };
enum { BY_STEP = 0, BY_INT3 = 1 };
enum { EFLAGS_TF = 0x100, EFLAGS_RF = 0x10000, TRAP_DB = 1, TRAP_BP = 3 };

struct window {
  uint32_t start, size;
  int fill;
};
/* The last one lies below mmap_min_addr and exists only where the system allows it. */
static struct window windows[] = {
    {DATA, 2 * PAGE, 0}, {CODE, 2 * PAGE, 0xcc}, {STACK, PAGE, 0}, {0x1000, 2 * PAGE, 0}};
static int window_count = 4;

struct request {
  uint32_t gpr[8]; /* EAX ECX EDX EBX ESP EBP ESI EDI */
  uint32_t eip, eflags, how, bytes;
};
struct answer {
  uint32_t trap, code, cr2, gpr[8], eip, eflags, seg[6] /* ES CS SS DS FS GS */, bytes;
};
struct cell {
  uint32_t address, value;
};

static const int gpr_index[8] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI};
static const int seg_index[6] = {REG_ES, REG_CS, REG_SS, REG_DS, REG_FS, REG_GS};

static gregset_t host;
static unsigned long host_cr2;
static struct request request;
static struct answer answer;
static unsigned char before[4][2 * PAGE];

static void enter(int number, siginfo_t *info, void *raw) {
  ucontext_t *context = raw;
  greg_t *r = context->uc_mcontext.gregs;
  (void)number, (void)info;
  for (int i = 0; i < NGREG; i++) host[i] = r[i];
  host_cr2 = context->uc_mcontext.cr2;
  for (int i = 0; i < 8; i++) r[gpr_index[i]] = (greg_t)request.gpr[i];
  r[REG_FS] = r[REG_GS] = 0;
  r[REG_EIP] = (greg_t)request.eip;
  r[REG_EFL] = (greg_t)(request.eflags | (request.how == BY_STEP ? EFLAGS_TF : 0));
}

static void leave(int number, siginfo_t *info, void *raw) {
  ucontext_t *context = raw;
  greg_t *r = context->uc_mcontext.gregs;
  (void)number, (void)info;
  answer.trap = (uint32_t)r[REG_TRAPNO];
  answer.code = (uint32_t)r[REG_ERR];
  answer.cr2 = (uint32_t)context->uc_mcontext.cr2;
  for (int i = 0; i < 8; i++) answer.gpr[i] = (uint32_t)r[gpr_index[i]];
  for (int i = 0; i < 6; i++) answer.seg[i] = (uint32_t)r[seg_index[i]] & 0xffff;
  answer.eip = (uint32_t)r[REG_EIP];
  answer.eflags = (uint32_t)r[REG_EFL] & ~(uint32_t)(EFLAGS_TF | EFLAGS_RF);
  for (int i = 0; i < NGREG; i++) r[i] = host[i];
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *)) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  if (sigaction(number, &action, NULL) != 0) {
    perror("sigaction");
    exit(1);
  }
}

static void set_up(void) {
  static unsigned char stack[65536];
  stack_t alternate = {.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof stack};
  for (int i = 0; i < window_count; i++) {
    void *wanted = (void *)windows[i].start;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    void *got = mmap(wanted, windows[i].size, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0);
    if (got != wanted && windows[i].start < LOW) {
      window_count = i;
    } else if (got != wanted) {
      perror("mmap");
      exit(1);
    }
  }
  if (sigaltstack(&alternate, NULL) != 0) {
    perror("sigaltstack");
    exit(1);
  }
  handle(SIGUSR1, enter);
  for (int i = 0; i < 5; i++) handle((int[]){SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGBUS}[i], leave);
}

static void read_all(void *to, size_t size) {
  if (size != 0 && fread(to, size, 1, stdin) != 1) {
    fprintf(stderr, "truncated request\n");
    exit(1);
  }
}

static void prepare(void) {
  for (int i = 0; i < window_count; i++) memset((void *)windows[i].start, windows[i].fill, windows[i].size);
  for (uint32_t i = 0; i < request.bytes; i++) {
    struct cell cell;
    read_all(&cell, sizeof cell);
    *(volatile unsigned char *)cell.address = (unsigned char)cell.value;
  }
  for (int i = 0; i < window_count; i++) memcpy(before[i], (void *)windows[i].start, windows[i].size);
}

static void report(void) {
  static struct cell changed[4 * 2 * PAGE];
  answer.bytes = 0;
  for (int w = 0; w < window_count; w++) {
    const unsigned char *now = (const unsigned char *)windows[w].start;
    for (uint32_t i = 0; i < windows[w].size; i++) {
      if (now[i] != before[w][i]) changed[answer.bytes++] = (struct cell){windows[w].start + i, now[i]};
    }
  }
  fwrite(&answer, sizeof answer, 1, stdout);
  fwrite(changed, sizeof changed[0], answer.bytes, stdout);
}

int main(void) {
  set_up();
  uint32_t low = window_count == 4;
  fwrite(&low, sizeof low, 1, stdout);
  while (fread(&request, sizeof request, 1, stdin) == 1) {
    prepare();
    __asm__ volatile("pushl $0x202; popfl" ::: "cc", "memory"); /* POPF may have left NT and ID behind */
    kill(getpid(), SIGUSR1);
    __asm__ volatile("pushl $0x202; popfl" ::: "cc", "memory");
    if (request.how == BY_INT3 && answer.trap == TRAP_BP) answer.eip--, answer.trap = TRAP_DB;
    report();
  }
  return 0;
}
