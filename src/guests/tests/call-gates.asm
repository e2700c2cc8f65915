; Far calls and jumps through a gate, and what waits behind it.

%include "xen/hypercall.inc"

global behind_gate, landing, user_call, user_at_call, user_back, kernel_call, kernel_at_call, kernel_jump, gate_frame, gate_cs

GATE equ 8*8                            ; entry 8 of the GDT

section .text

; From ring 3: EIP, CS, one parameter, ESP, SS. From ring 1: EIP, CS.
behind_gate:
%assign slot 0
%rep 5
        mov     eax, [esp + 4*slot]
        mov     [ss:gate_frame + 4*slot], eax
  %assign slot slot + 1
%endrep
        mov     [ss:gate_cs], cs
        mov     eax, 0x600DCA11
        retf    4

; void kernel_call(uint32_t parameter)
kernel_call:
        push    dword [esp + 4]
kernel_at_call:
        call    GATE + 1:0
        ret

; void kernel_jump(uint32_t)
kernel_jump:
        jmp     GATE + 1:0
landing:
        ret

section user progbits alloc exec nowrite align=4096

user_call:
        push    dword 0x1234
user_at_call:
        call    GATE + 3:0
user_back:
        int     0x20

section .bss

alignb 4
gate_frame: resd 5
gate_cs: resd 1
