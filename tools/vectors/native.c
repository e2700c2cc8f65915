/*
 * Runs single instructions natively in 32-bit protected mode, ring 3, and reports what the processor did.
 *
 * stdin: requests, stdout: answers, both arrays of little-endian 32-bit words (struct request and struct answer below, each
 * followed by its bytes of memory). Memory the instruction may touch are the windows; everything in them is zero
 * but what the request says. A signal to ourselves enters the test: its handler replaces
 * the saved context by the test's registers, and the trap after the instruction (TF, or the INT3 behind it), or
 * the fault it raised, brings them back. Handlers run on a stack of their own, whatever ESP and SS are, and use neither TLS nor libc.
 *
 * Arguments: "selector base limit access" in hexadecimal for each entry of the local descriptor table, access being the second word
 * of a descriptor without its base and limit. First word of the output: how many windows there are.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>

enum { LOW = 0x00010000, DATA = 0x10000000, CODE = 0x20000000, STACK = 0x30000000, FIXED = 0x50000000, PAGE = 4096 };
enum { BY_STEP = 0, BY_INT3 = 1, BY_OWN_TF = 2 };
enum { EFLAGS_TF = 0x100, EFLAGS_RF = 0x10000, EFLAGS_NT = 0x4000, EFLAGS_ID = 0x200000 };
enum { TRAP_DB = 1, TRAP_BP = 3, NO_TRAP = 255 };

struct window {
  uint32_t start, size;
  int protection;
};
/* FIXED can only be read. The last one lies below mmap_min_addr of some systems and exists only where it may. */
static struct window windows[] = {{DATA, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC},
                                  {CODE, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC},
                                  {STACK, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC},
                                  {FIXED, PAGE, PROT_READ},
                                  {0x1000, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC}};
enum { WINDOWS = 5 };
static int window_count = WINDOWS;

struct request {
  uint32_t gpr[8]; /* EAX ECX EDX EBX ESP EBP ESI EDI */
  uint32_t eip, eflags, seg[6] /* ES CS SS DS FS GS */, how, bytes;
};
struct answer {
  uint32_t trap, code, cr2, gpr[8], eip, eflags, seg[6], bytes;
};
struct cell {
  uint32_t address, value;
};

static const int gpr_index[8] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI};
static const int seg_index[6] = {REG_ES, REG_CS, REG_SS, REG_DS, REG_FS, REG_GS};

static gregset_t host;
static struct request request;
static struct answer answer;
static unsigned char before[WINDOWS][2 * PAGE];

static void enter(int number, siginfo_t *info, void *raw) {
  ucontext_t *context = raw;
  greg_t *r = context->uc_mcontext.gregs;
  (void)number, (void)info;
  for (int i = 0; i < NGREG; i++) host[i] = r[i];
  for (int i = 0; i < 8; i++) r[gpr_index[i]] = (greg_t)request.gpr[i];
  for (int i = 0; i < 6; i++) r[seg_index[i]] = (greg_t)request.seg[i];
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
  answer.eflags = (uint32_t)r[REG_EFL];
  for (int i = 0; i < NGREG; i++) r[i] = host[i];
}

static void need(int good, const char *what) {
  if (good) return;
  perror(what);
  exit(1);
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *)) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  need(sigaction(number, &action, NULL) == 0, "sigaction");
}

static void set_up(void) {
  static unsigned char stack[65536];
  /* SS_AUTODISARM: from its top even when a test's ESP points into it. */
  stack_t alternate = {.ss_sp = stack, .ss_flags = (int)(1u << 31), .ss_size = sizeof stack};
  for (int i = 0; i < window_count; i++) {
    void *wanted = (void *)windows[i].start;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE;
    void *got = mmap(wanted, windows[i].size, windows[i].protection, flags, -1, 0);
    if (got != wanted && windows[i].start < LOW) window_count = i;
    else need(got == wanted, "mmap");
  }
  need(sigaltstack(&alternate, NULL) == 0, "sigaltstack");
  handle(SIGUSR1, enter);
  for (int i = 0; i < 5; i++) handle((int[]){SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGBUS}[i], leave);
}

static void set_local_descriptor(uint32_t selector, uint32_t base, uint32_t limit, uint32_t access) {
  struct user_desc entry;
  memset(&entry, 0, sizeof entry);
  entry.entry_number = selector >> 3;
  entry.base_addr = base;
  entry.limit = limit;
  entry.seg_32bit = access >> 22 & 1;
  entry.contents = access >> 10 & 3;
  entry.read_exec_only = !(access >> 9 & 1);
  entry.limit_in_pages = access >> 23 & 1;
  entry.seg_not_present = !(access >> 15 & 1);
  entry.useable = access >> 20 & 1;
  need(syscall(SYS_modify_ldt, 0x11, &entry, sizeof entry) == 0, "modify_ldt");
}

static void read_all(void *to, size_t size) {
  if (size != 0 && fread(to, size, 1, stdin) != 1) {
    fprintf(stderr, "truncated request\n");
    exit(1);
  }
}

static void prepare(void) {
  for (int i = 0; i < window_count; i++) {
    if (windows[i].protection & PROT_WRITE) memset((void *)windows[i].start, 0, windows[i].size);
  }
  for (uint32_t i = 0; i < request.bytes; i++) {
    struct cell cell;
    read_all(&cell, sizeof cell);
    *(volatile unsigned char *)cell.address = (unsigned char)cell.value;
  }
  for (int i = 0; i < window_count; i++) memcpy(before[i], (void *)windows[i].start, windows[i].size);
}

static void report(void) {
  static struct cell changed[WINDOWS * 2 * PAGE];
  answer.bytes = 0;
  for (int w = 0; w < window_count; w++) {
    const unsigned char *now = (const unsigned char *)windows[w].start;
    if (memcmp(now, before[w], windows[w].size) == 0) continue;
    for (uint32_t i = 0; i < windows[w].size; i++) {
      if (now[i] != before[w][i]) changed[answer.bytes++] = (struct cell){windows[w].start + i, now[i]};
    }
  }
  fwrite(&answer, sizeof answer, 1, stdout);
  fwrite(changed, sizeof changed[0], answer.bytes, stdout);
}

/* NT and ID are those of the moment of the signal: returning from a handler does not set them. */
static void run(void) {
  uint32_t flags = 0x202 | (request.eflags & (EFLAGS_NT | EFLAGS_ID));
  int result;
  answer.trap = NO_TRAP;
  __asm__ volatile(
      "pushl %1; popfl; int $0x80; pushl $0x202; popfl"
      : "=a"(result)
      : "r"(flags), "0"(SYS_kill), "b"(getpid()), "c"(SIGUSR1)
      : "cc", "memory");
  uint32_t seen = request.how == BY_STEP ? answer.eflags & ~(uint32_t)EFLAGS_TF : answer.eflags;
  answer.eflags = seen & ~(uint32_t)EFLAGS_RF;
  if (request.how == BY_INT3 && answer.trap == TRAP_BP) answer.eip--, answer.trap = TRAP_DB;
}

int main(int count, char **arguments) {
  if (!(personality(0xffffffff) & ADDR_NO_RANDOMIZE)) {
    personality(ADDR_NO_RANDOMIZE);
    execv("/proc/self/exe", arguments); /* where it fails, addresses differ from run to run: no more than that */
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  set_up();
  for (int i = 1; i + 3 < count; i += 4) {
    uint32_t word[4];
    for (int k = 0; k < 4; k++) word[k] = (uint32_t)strtoul(arguments[i + k], NULL, 16);
    set_local_descriptor(word[0], word[1], word[2], word[3]);
  }
  uint32_t low = window_count == WINDOWS;
  fwrite(&low, sizeof low, 1, stdout);
  fflush(stdout);
  while (fread(&request, sizeof request, 1, stdin) == 1) {
    prepare();
    alarm(5); /* a repetition of four thousand million: nobody waits for it */
    run();
    alarm(0);
    report();
  }
  return 0;
}
