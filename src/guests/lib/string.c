/* Plain loops: short, and easy to step through. */
#include "string.h"

void *memcpy(void *to, const void *from, size_t size) {
  char *t = to;
  const char *f = from;
  while (size-- > 0) *t++ = *f++;
  return to;
}

void *memset(void *to, int byte, size_t size) {
  char *t = to;
  while (size-- > 0) *t++ = (char)byte;
  return to;
}

int memcmp(const void *a, const void *b, size_t size) {
  const unsigned char *x = a, *y = b;
  for (; size > 0; size--, x++, y++)
    if (*x != *y) return *x - *y;
  return 0;
}

size_t strlen(const char *s) {
  size_t length = 0;
  while (s[length] != 0) length++;
  return length;
}

int strcmp(const char *a, const char *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t size) {
  for (; size > 0; size--, a++, b++) {
    if (*a != *b) return (unsigned char)*a - (unsigned char)*b;
    if (*a == 0) return 0;
  }
  return 0;
}

unsigned parse_number(const char *s) {
  unsigned value = 0;
  while (*s >= '0' && *s <= '9') value = value * 10 + (unsigned)(*s++ - '0');
  return value;
}
