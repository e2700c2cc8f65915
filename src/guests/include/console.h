/* The paravirtual console: a page shared with the console daemon. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stddef.h>

/* From now on print() writes to the ring instead of Xen's own console. */
void console_init(void);

/* Write and return when all of it is in the ring. '\n' becomes CR LF, as terminals want it. */
void console_write(const char *text, size_t size);

/* Wait until the daemon has taken everything: a ring nobody reads any more dies with its domain. */
void console_flush(void);

/* Take up to `size` characters of input. Returns how many there were; 0 does not wait. */
size_t console_read(char *to, size_t size);

#endif
