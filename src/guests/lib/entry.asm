; Where Xen calls the kernel without being asked: event upcalls, and the failsafe callback.

%include "xen/hypercall.inc"

bits 32

global event_entry, failsafe_entry
extern hypercall_page, event_upcall, failsafe

section .text

; Xen has pushed EIP, CS and EFLAGS (and ESP and SS, if ring 3 was interrupted),
; and has set the mask so that no second upcall comes while this one is at work.
event_entry:
        pusha
        push    ds
        push    es
        mov     eax, FLAT_RING1_DS      ; whoever was interrupted, the kernel uses its own segments
        mov     ds, eax
        mov     es, eax
        cld
        call    event_upcall
        pop     es
        pop     ds
        popa
        ; Return and unmask in one step. Done one after the other by hand, an
        ; event could slip in between and find this frame still on the stack.
        jmp     HYPERCALL(__HYPERVISOR_iret)

; A data segment register could not be loaded on the way back to us. Its
; selector is on the stack, the register holds 0. This library never changes
; descriptors under a loaded selector, so there is nothing to repair.
failsafe_entry:
        mov     eax, FLAT_RING1_DS
        mov     ds, eax
        mov     es, eax
        call    failsafe
