; modes, as a Multiboot kernel: the program of body.asm, loaded at 1 MiB, copied to where real mode can reach it.
;
; Specification: body.asm. What this start adds: the way begins in protected mode, so the first step is back to real mode.

%include "src/guests/bare/modes/layout.inc"

MULTIBOOT_MAGIC equ 0x1BADB002

section .text
        align   4
        dd      MULTIBOOT_MAGIC, 0, -MULTIBOOT_MAGIC

global _start
_start: cli
        cld
        mov     esi, body
        mov     edi, BODY
        mov     ecx, body_end - body
        rep     movsb
        mov     eax, BODY + FROM_PROTECTED
        jmp     eax

body:   incbin  "modes-body.bin"
body_end:

section .note.GNU-stack noalloc noexec nowrite progbits
