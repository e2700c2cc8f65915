/* Formatted output, and where it goes. */
#ifndef PRINT_H
#define PRINT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * %s %c %d %u %x %p %%, with a width, a leading 0 and ll for 64 bits: "%08x", "%llu".
 * Returns the length of the text; at most size - 1 characters of it are stored.
 */
size_t format(char *to, size_t size, const char *text, ...);
size_t format_list(char *to, size_t size, const char *text, va_list values);

/* Write a line of at most 255 characters to the current console. */
void print(const char *text, ...);

typedef void (*console_writer)(const char *text, size_t size);

/* The console that print uses; to begin with, Xen's own. */
extern console_writer console_output;

/* Xen's own console: a hypercall per call. Real Xen grants it to a guest only in debug builds. */
void xen_console_write(const char *text, size_t size);

/* Say why, then stop the domain with a crash. */
void panic(const char *text, ...);

/* Switch the domain off with a SHUTDOWN_* reason. */
void shutdown(unsigned reason);

#endif
