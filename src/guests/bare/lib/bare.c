/* The serial line, the tables of the processor and the command line: what every kernel of the bare machine needs once. */
#include "bare.h"

enum { COM1 = 0x3F8, COM1_IER = COM1 + 1, COM1_LCR = COM1 + 3, COM1_MCR = COM1 + 4, COM1_LSR = COM1 + 5 };
enum { LCR_8N1 = 3, LCR_DLAB = 0x80, LSR_THRE = 0x20, MCR_DTR_RTS = 3 };

void serial_start(void)
{
    out8(COM1_IER, 0);
    out8(COM1_LCR, LCR_DLAB);
    out8(COM1, 1);
    out8(COM1_IER, 0);
    out8(COM1_LCR, LCR_8N1);
    out8(COM1_MCR, MCR_DTR_RTS);
}

void serial_byte(uint32_t byte)
{
    while (!(in8(COM1_LSR) & LSR_THRE))
        ;
    out8(COM1, byte);
}

void print(const char *text)
{
    while (*text)
        serial_byte((uint8_t)*text++);
}

void print_hex(uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        serial_byte((uint8_t)"0123456789abcdef"[(value >> shift) & 15]);
}

void print_number(uint32_t value)
{
    char digits[11];
    int at = 10;
    digits[at] = 0;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    print(digits + at);
}

static uint32_t idt[256][2];

void set_gate(uint32_t vector, void (*entry)(void), uint32_t dpl)
{
    uint32_t address = (uint32_t)entry;
    idt[vector][0] = (uint32_t)KERNEL_CS << 16 | (address & 0xFFFF);
    idt[vector][1] = (address & 0xFFFF0000u) | 0x8E00 | dpl << 13;
    load_idt(idt, sizeof idt);
}

static uint32_t tss[26];

void set_task(uint32_t esp0)
{
    uint32_t base = (uint32_t)tss, limit = sizeof tss - 1;
    tss[1] = esp0;
    tss[2] = KERNEL_DS;
    tss[25] = (uint32_t)sizeof tss << 16; /* the I/O map lies beyond the limit */
    gdt[TASK / 8][0] = base << 16 | limit;
    gdt[TASK / 8][1] = (base & 0xFF000000u) | 0x8900 | (base >> 16 & 0xFF);
    load_task(TASK);
}

uint32_t option(const struct multiboot_info *info, const char *name, uint32_t otherwise)
{
    if (!(info->flags & MULTIBOOT_CMDLINE))
        return otherwise;
    for (const char *text = (const char *)info->cmdline; *text; text++) {
        const char *at = text, *want = name;
        while (*want && *at == *want)
            at++, want++;
        if (*want || *at++ != '=')
            continue;
        uint32_t value = 0;
        while (*at >= '0' && *at <= '9')
            value = value * 10 + (uint32_t)(*at++ - '0');
        return value;
    }
    return otherwise;
}

void *memcpy(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    while (n--)
        *t++ = *f++;
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    uint8_t *t = to;
    while (n--)
        *t++ = (uint8_t)byte;
    return to;
}
