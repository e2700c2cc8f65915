/*
 * Your kernel. Change something, build it with one line (README.txt), and drop
 * my-kernel.elf on the page: it takes the place of the domain.
 */
#include <stdint.h>

/* Put your name here first. */
#define NAME "nobody yet"

/* The letter that Xen leaves for a new kernel. Its first words. */
struct start_info {
  char magic[32];
  uint32_t nr_pages;
  uint32_t shared_info; /* a machine address: map it with update_va_mapping */
  uint32_t flags;
  uint32_t store_mfn, store_evtchn;
  uint32_t console_mfn, console_evtchn;
  uint32_t pt_base, nr_pt_frames;
  uint32_t mfn_list;
  uint32_t mod_start, mod_len;
  char cmd_line[1024];
};

/* In start.asm. */
int hypercall(uint32_t number, uint32_t a, uint32_t b, uint32_t c, uint32_t d);

#define CONSOLE_IO 18
#define XEN_VERSION 17

static void print(const char *text) {
  uint32_t length = 0;
  while (text[length] != 0) length++;
  hypercall(CONSOLE_IO, 0, length, (uint32_t)text, 0);
}

static void print_number(uint32_t value) {
  char digits[11];
  char *first = &digits[10];
  *first = 0;
  do {
    *--first = (char)('0' + value % 10);
    value /= 10;
  } while (value != 0);
  print(first);
}

void kernel_main(const struct start_info *start_info) {
  uint32_t version = (uint32_t)hypercall(XEN_VERSION, 0, 0, 0, 0);

  print("This is the kernel of " NAME ".\n");
  print("I have ");
  print_number(start_info->nr_pages);
  print(" pages, from Xen ");
  print_number(version >> 16);
  print(".");
  print_number(version & 0xFFFF);
  print(".\n");

  /*
   * Here your own work begins. Small steps that show something each:
   *   - print start_info->cmd_line
   *   - give yourself a trap table (hypercall 0) and execute an instruction that is not allowed
   *   - map shared_info (hypercall 14, update_va_mapping) and watch the time in it
   *   - put a word into the console ring instead of asking Xen to print it
   */
}
