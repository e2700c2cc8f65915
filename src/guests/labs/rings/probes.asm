; The instructions this lab is about, each behind a name of its own.
;
; Ring 1 runs all of them directly on the processor. The question is which of
; them the processor refuses, and so hands to Xen, and which it simply answers.

%include "xen/hypercall.inc"

%macro PROBE 1
global %1:function
%1:
%endmacro

; An instruction that a lesson can name.
%macro AT 1
global %1
%1:
%endmacro

section .text

; Interrupts off, please. IOPL is 0 and we are at 1: #GP(0).
PROBE try_cli
AT at_cli
        cli
        ret

; uint32_t try_mov_cr3(void): privileged as well, but this one Xen carries out for us.
PROBE try_mov_cr3
AT at_mov_cr3
        mov     eax, cr3
        ret

; uint32_t try_hypercall(void): xen_version(version, NULL).
PROBE try_hypercall
        push    ebx
        xor     ebx, ebx
        xor     ecx, ecx
        mov     eax, __HYPERVISOR_xen_version
AT at_hypercall
        int     0x82
        pop     ebx
        ret

; uint32_t try_popf(void): clear IF in a copy of the flags, load the copy, see what came of it.
PROBE try_popf
        pushf
        and     dword [esp], ~0x200     ; IF := 0
AT at_popf
        popf
        pushf
        pop     eax
        ret

; void try_sidt(struct table_register *), void try_sgdt(struct table_register *)
PROBE try_sidt
        mov     eax, [esp + 4]
AT at_sidt
        sidt    [eax]
        ret

PROBE try_sgdt
        mov     eax, [esp + 4]
AT at_sgdt
        sgdt    [eax]
        ret

; uint32_t try_pushf(void)
PROBE try_pushf
AT at_pushf
        pushf
        pop     eax
        ret

; uint32_t try_lar(uint32_t selector): its access rights, 0 if there is no looking at it.
PROBE try_lar
        mov     edx, [esp + 4]
        xor     eax, eax
AT at_lar
        lar     eax, edx
        ret

; uint32_t try_mov_cs(void): the low two bits are the privilege level.
PROBE try_mov_cs
        xor     eax, eax
AT at_mov_cs
        mov     ax, cs
        ret

; int try_door_int82(void): sched_op(yield), the plainest request there is.
PROBE try_door_int82
        push    ebx
        xor     ebx, ebx
        xor     ecx, ecx
        mov     eax, __HYPERVISOR_sched_op
AT door_int82_ring1
        int     0x82
        pop     ebx
        ret

; int try_mmu_update(struct mmu_update *)
PROBE try_mmu_update
        push    ebx
        push    esi
        mov     ebx, [esp + 12]
        mov     ecx, 1                  ; one request
        xor     edx, edx                ; no count wanted
        mov     esi, 0x7FF0             ; DOMID_SELF
        mov     eax, __HYPERVISOR_mmu_update
AT at_mmu_update
        int     0x82
        pop     esi
        pop     ebx
        ret
