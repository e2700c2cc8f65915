/* The paravirtual console: we produce into `out` and consume from `in`. */
#include "console.h"
#include "cpu.h"
#include "events.h"
#include "hypercall.h"
#include "memory.h"
#include "print.h"
#include "xen/io/console.h"
#include "xen/sched.h"

static struct xencons_interface *ring;

static void notify(void) { event_send(start_info->console_evtchn); }

/* The character first, then the index that announces it: the daemon must never see it the other way round. */
static void put(char c) {
  while (ring->out_prod - ring->out_cons == CONSOLE_OUT_SIZE) {
    notify();
    HYPERVISOR_sched_op(SCHEDOP_yield, 0);
  }
  ring->out[ring->out_prod & (CONSOLE_OUT_SIZE - 1)] = c;
  memory_barrier();
  ring->out_prod++;
}

void console_write(const char *text, size_t size) {
  for (; size > 0; size--, text++) {
    if (*text == '\n') put('\r');
    put(*text);
  }
  notify();
}

void console_flush(void) {
  while (ring->out_cons != ring->out_prod) {
    notify();
    HYPERVISOR_sched_op(SCHEDOP_yield, 0);
  }
}

size_t console_read(char *to, size_t size) {
  size_t count = 0;
  uint32_t cons = ring->in_cons;
  for (; count < size && cons != ring->in_prod; cons++) to[count++] = ring->in[cons & (CONSOLE_IN_SIZE - 1)];
  if (count > 0) {
    memory_barrier();
    ring->in_cons = cons;
    notify(); /* there is room again */
  }
  return count;
}

void console_init(void) {
  ring = mfn_to_pointer(start_info->console_mfn);
  console_output = console_write;
}
