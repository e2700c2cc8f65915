/* Output to whichever console is in use, and the two ways to end. */
#include "hypercall.h"
#include "print.h"
#include "xen/sched.h"

#define LINE_SIZE 256

console_writer console_output = xen_console_write;

void xen_console_write(const char *text, size_t size) {
  HYPERVISOR_console_io(CONSOLEIO_write, size, text);
}

static void print_list(const char *text, va_list values) {
  char line[LINE_SIZE];
  size_t length = format_list(line, sizeof line, text, values);
  console_output(line, length < sizeof line ? length : sizeof line - 1);
}

void print(const char *text, ...) {
  va_list values;
  va_start(values, text);
  print_list(text, values);
  va_end(values);
}

void shutdown(unsigned reason) {
  struct sched_shutdown request = {reason};
  for (;;) HYPERVISOR_sched_op(SCHEDOP_shutdown, &request);
}

/* Whatever the console was, a kernel in trouble talks to Xen directly: no ring can be full there. */
void panic(const char *text, ...) {
  va_list values;
  va_start(values, text);
  console_output = xen_console_write;
  print("panic: ");
  print_list(text, values);
  print("\n");
  va_end(values);
  shutdown(SHUTDOWN_crash);
}
