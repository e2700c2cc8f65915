; Where a kernel of the bare machine begins: the Multiboot header, a GDT of its own, a stack, kernel_main, the way out.
; The loader leaves us at _start in 32-bit protected mode with flat segments, EAX = magic, EBX = the information structure
; (Multiboot Specification 0.6.96, 3.2). Nothing else is relied upon, the loader's GDT least of all.

MULTIBOOT_MAGIC equ 0x1BADB002
MULTIBOOT_FLAGS equ 3                   ; modules on page boundaries; tell us about memory
EXIT_PORT       equ 0xF4                ; whoever listens there ends the run

extern kernel_main

section .text
        align   4
        dd      MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

global _start
_start: cli
        cld
        lgdt    [gdt_register]
        jmp     0x08:.flat
.flat:  mov     ecx, 0x10
        mov     ds, ecx
        mov     es, ecx
        mov     fs, ecx
        mov     gs, ecx
        mov     ss, ecx
        mov     esp, kernel_stack_top
        push    ebx
        push    eax
        call    kernel_main
        push    eax
        call    leave_machine

; void leave_machine(uint32_t status): the status to the exit port; where nobody listens, a halt that nothing can end.
global leave_machine
leave_machine:
        mov     eax, [esp + 4]
        mov     edx, EXIT_PORT
        out     dx, al
.halt:  cli
        hlt
        jmp     .halt

section .data
        align   8
; Selectors 0x08 and 0x10: ring 0 code and data; 0x1B and 0x23: ring 3; 0x28: the TSS, filled in by set_task; 0x33: thread-local data.
global gdt
gdt:    dq      0
        dq      0x00CF9B000000FFFF
        dq      0x00CF93000000FFFF
        dq      0x00CFFB000000FFFF
        dq      0x00CFF3000000FFFF
        dq      0
        dq      0
gdt_end:
gdt_register:
        dw      gdt_end - gdt - 1
        dd      gdt

section .bss nobits alloc write
        alignb  16
        resb    32768
global kernel_stack_top
kernel_stack_top:

section .note.GNU-stack noalloc noexec nowrite progbits
