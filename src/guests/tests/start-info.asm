; This test needs to see the registers before anything has touched them, so it
; has its own entry point, and notes that leave ENTRY to the ELF header.

%include "xen/elfnote.inc"

global _start, hypercall_page, start_info, kernel_stack_top, entry_state
extern kernel_main

section .note.Xen note alloc noexec nowrite align=4
        xen_note XEN_ELFNOTE_GUEST_OS,       db "ringside", 0
        xen_note XEN_ELFNOTE_LOADER,         db "generic", 0
        xen_note XEN_ELFNOTE_XEN_VERSION,    db "xen-3.0", 0
        xen_note XEN_ELFNOTE_VIRT_BASE,      dd 0xC0000000
        xen_note XEN_ELFNOTE_PADDR_OFFSET,   dd 0xC0000000
        xen_note XEN_ELFNOTE_HYPERCALL_PAGE, dd hypercall_page
        xen_note XEN_ELFNOTE_PAE_MODE,       db "yes", 0

section .text

; The boot stack is ours to use, but its top is a thing to check: store without it.
_start: mov     [entry_state + 0], eax
        mov     [entry_state + 4], ebx
        mov     [entry_state + 8], ecx
        mov     [entry_state + 12], edx
        mov     [entry_state + 16], esi
        mov     [entry_state + 20], edi
        mov     [entry_state + 24], ebp
        mov     [entry_state + 28], esp
        pushf
        pop     dword [entry_state + 32]
        mov     [entry_state + 36], cs  ; the upper halves stay 0: this is .bss
        mov     [entry_state + 40], ss
        mov     [entry_state + 44], ds
        mov     [entry_state + 48], es
        mov     [entry_state + 52], fs
        mov     [entry_state + 56], gs
        mov     esp, kernel_stack_top
        xor     ebp, ebp
        mov     [start_info], esi
        call    kernel_main
.never: jmp     .never

section .bss

alignb 4096
hypercall_page:
        resb 4096
        resb 8192
kernel_stack_top:
start_info:
        resd 1
entry_state:
        resd 15
