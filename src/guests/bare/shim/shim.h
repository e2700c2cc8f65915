/* The shim: a program of 32-bit Linux, statically linked, on the bare machine. shim.c says what it is. */
#ifndef SHIM_H
#define SHIM_H

#include "../lib/bare.h"

enum { PAGE = 4096 };

/* pages.c: the program's address space. */
void pages_start(uint32_t free, uint32_t end);
/* Zeroed pages for [vaddr, vaddr + bytes), writable; what is mapped stays. 0 if memory is out. */
int map_pages(uint32_t vaddr, uint32_t bytes);
void unmap_pages(uint32_t vaddr, uint32_t bytes);
void protect_pages(uint32_t vaddr, uint32_t bytes, int writable);
uint32_t free_bytes(void);
#define USER_START 0x08000000u
#define USER_END 0xC0000000u

/* elf.c: loads the file; entry point and what the auxiliary vector tells of it. 0 if it is no such program. */
struct program {
    uint32_t entry, headers, header_size, header_count, end;
};
int load_program(const uint8_t *file, uint32_t bytes, struct program *program);

/* calls.c: system calls, by the registers of INT 0x80. */
struct call {
    uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;
};
void calls_start(uint32_t brk);
uint32_t on_call(const struct call *call);

/* shim.c */
void fail(const char *text, uint32_t value);
void on_exception(uint32_t vector, uint32_t code, uint32_t eip);

/* entry.asm */
void enter_user(uint32_t eip, uint32_t esp);
void enable_large_pages(void);
void call_entry(void);
void exception_0(void);
void exception_6(void);
void exception_7(void);
void exception_8(void);
void exception_12(void);
void exception_13(void);
void exception_14(void);

#endif
