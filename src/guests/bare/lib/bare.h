/* What kernels of the bare machine share: the processor's instructions, the serial line, gates. */
#ifndef BARE_H
#define BARE_H

#include <stddef.h>
#include <stdint.h>

/* Ring 0 and ring 3 selectors of start.asm's table. */
enum { KERNEL_CS = 0x08, KERNEL_DS = 0x10, USER_CS = 0x1B, USER_DS = 0x23, TASK = 0x28, THREAD = 0x33 };

void out8(uint32_t port, uint32_t value);
uint32_t in8(uint32_t port);
void out32(uint32_t port, uint32_t value);
uint32_t in32(uint32_t port);
void write_cr3(uint32_t directory);
uint32_t read_cr2(void);
void enable_paging(void);
void invalidate(uint32_t vaddr);
void load_idt(const void *table, uint32_t bytes);
void load_task(uint32_t selector);
void load_gs(uint32_t selector);
void leave_machine(uint32_t status);

/* COM1 at 115200 8N1, by polling. */
void serial_start(void);
void serial_byte(uint32_t byte);
void print(const char *text);
void print_hex(uint32_t value);
void print_number(uint32_t value);

/* An interrupt gate (present, 32 bits) for `vector`; dpl 3 lets ring 3 name it in INT. The table is loaded with the first one. */
void set_gate(uint32_t vector, void (*entry)(void), uint32_t dpl);

/* One TSS, loaded: the stack of ring 0 for those who come from ring 3, and no port open to them. */
void set_task(uint32_t esp0);

/* A descriptor of eight bytes in the table of start.asm. */
extern uint32_t gdt[][2];
extern char kernel_stack_top[];

/* Multiboot Specification 3.3: the fields that somebody here reads. */
struct multiboot_module {
    uint32_t start, end, text, reserved;
};
struct multiboot_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
};
enum { MULTIBOOT_BOOTED = 0x2BADB002, MULTIBOOT_CMDLINE = 1 << 2, MULTIBOOT_MODULES = 1 << 3 };

/* The number after `name=` on the command line, or `otherwise`. */
uint32_t option(const struct multiboot_info *info, const char *name, uint32_t otherwise);

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);

uint32_t kernel_main(uint32_t magic, const struct multiboot_info *info);

#endif
