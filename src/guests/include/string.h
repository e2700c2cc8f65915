/* The few string functions a small kernel wants; the compiler itself calls the first three. */
#ifndef STRING_H
#define STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);

/* The number at the start of `s` in decimal, 0 if there is none. */
unsigned parse_number(const char *s);

#endif
