; Returning with frames built by hand.

%include "xen/hypercall.inc"

global iret_here, iret_to, native_iret_here, native_iret_to, result
global user_result
extern hypercall_page, user_stack_top

section .text

; void iret_here(uint32_t eflags): HYPERVISOR_iret to the next line; `result` tells how we arrived.
iret_here:
        push    ebx
        mov     edx, [esp + 8]
        mov     [result + 8], esp
        push    edx                     ; EFLAGS
        push    dword 0xDEAD0000 | FLAT_RING1_CS        ; the upper half does not count
        push    dword .arrived
        mov     eax, 0x600DCAFE         ; the stub pushes it, iret brings it back
        jmp     HYPERCALL(__HYPERVISOR_iret)
.arrived:
        mov     [result + 0], eax
        pushf
        pop     dword [result + 4]
        mov     [result + 12], esp
        cld
        pop     ebx
        ret

; void iret_to(const uint32_t frame[5]): EIP, CS, EFLAGS, ESP, SS. Whether it uses all five depends on CS.
iret_to:
        mov     edx, [esp + 4]
        push    dword [edx + 16]
        push    dword [edx + 12]
        push    dword [edx + 8]
        push    dword [edx + 4]
        push    dword [edx]
        mov     eax, 0x600DCAFE
        jmp     HYPERCALL(__HYPERVISOR_iret)

; The same with the processor's own instruction.
native_iret_here:
        mov     edx, [esp + 4]
        mov     [result + 8], esp
        push    edx
        push    cs
        push    dword .arrived
        mov     eax, 0x600DCAFE
        iret
.arrived:
        mov     [result + 0], eax
        pushf
        pop     dword [result + 4]
        mov     [result + 12], esp
        cld
        ret

native_iret_to:
        mov     edx, [esp + 4]
        push    dword [edx + 16]
        push    dword [edx + 12]
        push    dword [edx + 8]
        push    dword [edx + 4]
        push    dword [edx]
        iret

section .bss

alignb 4
result: resd 4                          ; eax, eflags, esp before the frame, esp after it

section user progbits alloc exec nowrite align=4096

user_result:
        int     0x20
