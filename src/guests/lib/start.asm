; Where a guest of this library begins.
;
; Xen has already done what a boot loader does: paging is on, the image and the
; boot page tables are mapped, the segments are flat, events are masked, and ESI
; points to start_info. What is missing is a stack of a size we chose ourselves.

%include "xen/elfnote.inc"
%include "xen/hypercall.inc"

bits 32

global _start, hypercall_page, start_info, kernel_stack, kernel_stack_top
extern kernel_main

; The image is linked at VIRT_BASE and ld writes the same numbers as physical
; addresses. PADDR_OFFSET is subtracted from those, so byte 0 of the image
; becomes byte 0 of pseudo-physical memory.
VIRT_BASE equ 0xC0000000

section .note.Xen note alloc noexec nowrite align=4
        xen_note XEN_ELFNOTE_GUEST_OS,       db "ringside", 0
        xen_note XEN_ELFNOTE_LOADER,         db "generic", 0
        xen_note XEN_ELFNOTE_XEN_VERSION,    db "xen-3.0", 0
        xen_note XEN_ELFNOTE_VIRT_BASE,      dd VIRT_BASE
        xen_note XEN_ELFNOTE_PADDR_OFFSET,   dd VIRT_BASE
        xen_note XEN_ELFNOTE_ENTRY,          dd _start
        xen_note XEN_ELFNOTE_HYPERCALL_PAGE, dd hypercall_page
        xen_note XEN_ELFNOTE_PAE_MODE,       db "yes", 0
        xen_note XEN_ELFNOTE_FEATURES,       db "!writable_page_tables|pae_pgdir_above_4gb", 0

section .text

_start: cld
        mov     esp, kernel_stack_top
        xor     ebp, ebp                ; end of the chain of frames, for backtraces
        mov     [start_info], esi
        call    kernel_main

        ; A kernel that returns has nothing left to do: power off.
        push    dword 0                 ; struct sched_shutdown { SHUTDOWN_poweroff }
        mov     ebx, 2                  ; SCHEDOP_shutdown
        mov     ecx, esp
        call    HYPERCALL(__HYPERVISOR_sched_op)
.never: jmp     .never

section .bss

; Xen writes its 128 stubs here while it builds the domain.
alignb 4096
hypercall_page:
        resb 4096

kernel_stack:
        resb 8192
kernel_stack_top:

start_info:
        resd 1                          ; const struct start_info *
