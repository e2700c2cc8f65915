; SYSENTER from both rings, and a callback that gives back what it found.

%include "xen/hypercall.inc"

global sysenter_entry, sysenter_in_ring1, user_sysenter, user_sysenter_nt, user_after
global sysenter_frame, sysenter_eflags, sysenter_esp
extern hypercall_page

section .text

; Frame: EIP, CS | mask << 16, EFLAGS, ESP, SS. The caller left its stack in ECX and its way back in EDX.
sysenter_entry:
        mov     [ss:sysenter_esp], esp
        pushf
        pop     dword [ss:sysenter_eflags]
%assign slot 0
%rep 5
        mov     eax, [esp + 4*slot]
        mov     [ss:sysenter_frame + 4*slot], eax
  %assign slot slot + 1
%endrep
        mov     dword [esp], edx
        mov     word [esp + 4], FLAT_RING3_CS
        and     dword [esp + 8], ~0x4000       ; NT would make IRET a task switch
        mov     [esp + 12], ecx
        mov     eax, 0x600D5E17
        jmp     HYPERCALL(__HYPERVISOR_iret)

; void sysenter_in_ring1(uint32_t): no way back but a trap.
sysenter_in_ring1:
        sysenter

section user progbits alloc exec nowrite align=4096

user_sysenter_nt:
        pushf
        or      dword [esp], 0x4000
        popf
user_sysenter:
        mov     ecx, esp
        mov     edx, user_after
        sysenter
user_after:
        int     0x20

section .bss

alignb 4
sysenter_frame: resd 5
sysenter_eflags: resd 1
sysenter_esp: resd 1
