/*
 * The shim: runs one program of 32-bit Linux, statically linked for the i386, on the bare machine.
 *
 * Specification. The program comes as the first Multiboot module. It runs in ring 3 under paging, in an address space of its own, and
 * reaches the shim through INT 0x80 alone. What it writes to descriptors 1 and 2 goes to COM1 as it is; its exit status goes to port F4h.
 * An exception it cannot survive is reported on COM1 and ends the run with status 125. calls.c lists the system calls: those that glibc
 * makes for a program of arithmetic, strings, memory and printf; every other answers -ENOSYS.
 *
 * Physical memory: the shim at 1 MiB, the module behind it, then the program's pages. The first 64 MiB are mapped to themselves for ring 0.
 */
#include "shim.h"

enum { NO_MODULE = 126, EXCEPTION = 125, RAM = 32 << 20 };
enum { AT_NULL, AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_ENTRY = 9, AT_UID = 11, AT_EUID, AT_GID, AT_EGID };
enum { AT_CLKTCK = 17, AT_SECURE = 23, AT_RANDOM = 25 };
#define STACK_TOP 0xBFFFF000u
#define STACK_BYTES 0x40000u

void fail(const char *text, uint32_t value)
{
    print("shim: ");
    print(text);
    print(" ");
    print_hex(value);
    print("\n");
    leave_machine(EXCEPTION);
}

void on_exception(uint32_t vector, uint32_t code, uint32_t eip)
{
    print("shim: exception ");
    print_number(vector);
    print(", error code ");
    print_hex(code);
    print(", CR2 ");
    print_hex(read_cr2());
    print("\n");
    fail("EIP", eip);
}

static void gates(void)
{
    set_gate(0, exception_0, 0);
    set_gate(6, exception_6, 0);
    set_gate(7, exception_7, 0);
    set_gate(8, exception_8, 0);
    set_gate(12, exception_12, 0);
    set_gate(13, exception_13, 0);
    set_gate(14, exception_14, 0);
    set_gate(0x80, call_entry, 3);
    set_task((uint32_t)kernel_stack_top - 4096);
}

/* argc, argv, envp and the auxiliary vector, as the System V ABI places them. Returns ESP. */
static uint32_t make_stack(const struct program *program)
{
    static const char name[] = "program";
    uint32_t top = STACK_TOP - 64;
    memcpy((void *)top, name, sizeof name);
    for (uint32_t i = 0; i < 16; i++)
        ((uint8_t *)top)[16 + i] = (uint8_t)(0x5A + 29 * i); /* AT_RANDOM: the same in every run */
    const uint32_t words[] = {
        1, top, 0, 0,
        AT_PHDR, program->headers, AT_PHENT, program->header_size, AT_PHNUM, program->header_count,
        AT_PAGESZ, PAGE, AT_ENTRY, program->entry, AT_UID, 0, AT_EUID, 0, AT_GID, 0, AT_EGID, 0,
        AT_CLKTCK, 100, AT_SECURE, 0, AT_RANDOM, top + 16, AT_NULL, 0,
    };
    uint32_t esp = (top - sizeof words) & ~15u;
    memcpy((void *)esp, words, sizeof words);
    return esp;
}

uint32_t kernel_main(uint32_t magic, const struct multiboot_info *info)
{
    serial_start();
    if (magic != MULTIBOOT_BOOTED || !(info->flags & MULTIBOOT_MODULES) || info->mods_count == 0) {
        print("shim: no program: give it as a module\n");
        return NO_MODULE;
    }
    const struct multiboot_module *module = (const struct multiboot_module *)info->mods_addr;
    uint32_t start = module->start, end = module->end;
    out8(0x21, 0xFF); /* no device interrupts */
    out8(0xA1, 0xFF);
    gates();
    pages_start((end + PAGE - 1) & ~(uint32_t)(PAGE - 1), RAM);
    struct program program;
    if (!load_program((const uint8_t *)start, end - start, &program))
        fail("not a static program for the i386, its first word is", *(const uint32_t *)start);
    if (!map_pages(STACK_TOP - STACK_BYTES, STACK_BYTES))
        fail("no memory for a stack of", STACK_BYTES);
    calls_start(program.end);
    enter_user(program.entry, make_stack(&program));
    return 0;
}
