/*
 * The console page: what we write is taken, input is empty until somebody types.
 *
 * - More than the ring holds goes through; afterwards out_cons has reached out_prod.
 * - The backend has connected (the byte behind the indices is 0).
 * - With `echo` on the command line, lines that come in are written back until an empty one.
 */
#include "console.h"
#include "harness.h"
#include "string.h"
#include "xen/io/console.h"
#include "xen/sched.h"

static void echo(void) {
  char c, last = '\n';
  for (;;) {
    if (console_read(&c, 1) == 0) {
      HYPERVISOR_sched_op(SCHEDOP_yield, 0);
      continue;
    }
    if (c == '\r') c = '\n';
    if (c == '\n' && last == '\n') return;
    console_write(&c, 1);
    last = c;
  }
}

TEST("console-ring") {
  struct xencons_interface *ring = mfn_to_pointer(start_info->console_mfn);
  char line[64], c;
  console_init();
  console_output = xen_console_write; /* the verdict goes where it always goes */
  check_equal("connection", ring->connection, 0);
  check_equal("input", console_read(&c, 1), 0);
  for (unsigned i = 1; i <= 100; i++) {
    size_t length = format(line, sizeof line, "console ring, line %u of 100\n", i);
    console_write(line, length);
  }
  check(ring->out_prod > CONSOLE_OUT_SIZE, "only %u bytes written", ring->out_prod);
  console_flush();
  check_equal("out_cons", ring->out_cons, ring->out_prod);
  if (command_line("echo")) echo();
}
