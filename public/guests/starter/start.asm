; Your kernel begins here. Xen has already turned paging on, mapped your image at
; 0xC0000000 and put you into ring 1. ESI points to struct start_info.

global _start, hypercall
extern kernel_main

section .text

_start: mov     esp, stack_top
        push    esi                     ; kernel_main(start_info)
        call    kernel_main
        push    dword 0                 ; reason 0: power off
        mov     ebx, 2                  ; SCHEDOP_shutdown
        mov     ecx, esp
        mov     eax, 29                 ; sched_op
        int     0x82

; int hypercall(number, a, b, c, d): Xen wants its arguments in registers.
hypercall:
        push    ebx
        push    esi
        mov     eax, [esp + 12]
        mov     ebx, [esp + 16]
        mov     ecx, [esp + 20]
        mov     edx, [esp + 24]
        mov     esi, [esp + 28]
        int     0x82
        pop     esi
        pop     ebx
        ret

section .bss

alignb 16
        resb 8192
stack_top:

; What Xen reads in the image before it builds your domain: size of the name,
; size of the content, type, name, content.
section .note.Xen note alloc noexec nowrite align=4
        dd 4, 4, 3, "Xen", 0xC0000000   ; VIRT_BASE
        dd 4, 4, 4, "Xen", 0xC0000000   ; PADDR_OFFSET
        dd 4, 8, 5, "Xen", "xen-3.0"    ; XEN_VERSION
        dd 4, 8, 8, "Xen", "generic"    ; LOADER
        dd 4, 4, 9, "Xen", "yes"        ; PAE_MODE
