; Code segments that change under the code that runs in them.

%include "xen/hypercall.inc"

global visit_under, iret_with, at_home_again, user_ud, user_after_ud, visit_maddr, visit_descriptor

extern hypercall_page

section .text

; void visit_under(uint32_t selector): goes on under that CS, writes the descriptor the test chose, and comes home.
visit_under:
        mov     eax, [esp + 4]
        push    ebx
        push    esi
        push    eax
        push    dword .there
        retf
.there: mov     eax, __HYPERVISOR_update_descriptor
        mov     ebx, [visit_maddr]
        xor     ecx, ecx
        mov     edx, [visit_descriptor]
        mov     esi, [visit_descriptor + 4]
        int     0x82
at_home_again:
        jmp     FLAT_RING1_CS:.back
.back:  pop     esi
        pop     ebx
        ret

; void iret_with(const uint32_t frame[5]): EIP, CS, EFLAGS, ESP, SS.
iret_with:
        mov     edx, [esp + 4]
%assign slot 4
%rep 5
        push    dword [edx + 4*slot]
  %assign slot slot - 1
%endrep
        jmp     HYPERCALL(__HYPERVISOR_iret)

section user progbits alloc exec nowrite align=4096

user_ud:
        ud2
user_after_ud:
        int     0x20

section .bss

alignb 8
visit_descriptor: resd 2
visit_maddr: resd 1
