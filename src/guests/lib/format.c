/* Text from values: a small printf. */
#include <stdint.h>

#include "cpu.h"
#include "print.h"
#include "string.h"

struct sink {
  char *to;
  size_t size;
  size_t length; /* of the whole text, stored or not */
};

static void put(struct sink *sink, char c) {
  if (sink->length + 1 < sink->size) sink->to[sink->length] = c;
  sink->length++;
}

static void put_padded(struct sink *sink, const char *text, size_t length, size_t width, char pad) {
  for (size_t i = length; i < width; i++) put(sink, pad);
  for (size_t i = 0; i < length; i++) put(sink, text[i]);
}

/* Digits come out lowest first, so they are written from the end of a buffer. */
static void put_number(struct sink *sink, uint64_t value, unsigned base, int negative, size_t width, char pad) {
  char digits[24];
  char *first = digits + sizeof digits;
  do {
    *--first = "0123456789abcdef"[divide(&value, base)];
  } while (value != 0);
  if (negative) *--first = '-';
  put_padded(sink, first, (size_t)(digits + sizeof digits - first), width, pad);
}

size_t format_list(char *to, size_t size, const char *text, va_list values) {
  struct sink sink = {to, size, 0};
  for (; *text != 0; text++) {
    if (*text != '%') {
      put(&sink, *text);
      continue;
    }
    text++;
    char pad = *text == '0' ? '0' : ' ';
    size_t width = 0;
    while (*text >= '0' && *text <= '9') width = width * 10 + (size_t)(*text++ - '0');
    int wide = 0;
    while (*text == 'l') wide = *++text == 'l' ? 1 : wide;
    switch (*text) {
      case 's': {
        const char *s = va_arg(values, const char *);
        put_padded(&sink, s, strlen(s), width, ' ');
        break;
      }
      case 'c':
        put(&sink, (char)va_arg(values, int));
        break;
      case 'd': {
        int64_t value = wide ? va_arg(values, int64_t) : va_arg(values, int);
        put_number(&sink, (uint64_t)(value < 0 ? -value : value), 10, value < 0, width, pad);
        break;
      }
      case 'u':
        put_number(&sink, wide ? va_arg(values, uint64_t) : va_arg(values, uint32_t), 10, 0, width, pad);
        break;
      case 'x':
        put_number(&sink, wide ? va_arg(values, uint64_t) : va_arg(values, uint32_t), 16, 0, width, pad);
        break;
      case 'p':
        put_number(&sink, va_arg(values, uint32_t), 16, 0, 8, '0');
        break;
      default:
        put(&sink, *text);
        if (*text == 0) text--; /* a lone % at the end */
        break;
    }
  }
  if (size > 0) to[sink.length < size ? sink.length : size - 1] = 0;
  return sink.length;
}

size_t format(char *to, size_t size, const char *text, ...) {
  va_list values;
  va_start(values, text);
  size_t length = format_list(to, size, text, values);
  va_end(values);
  return length;
}
