; Traps for the conformance guests: stubs for every low vector, and a way to be
; caught by one and carry on elsewhere.

%include "xen/hypercall.inc"

%define NR_STUBS 0x30

; Vectors that the processor gives an error code.
%define ERROR_CODES ((1 << 8) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13) | (1 << 14) | (1 << 17))

global trap_stub, call_body, leave_body, enter_ring3, trap_stack_top
global user_stack, user_stack_top, user_done
global read_cs, read_ss, read_eflags, load_byte, store_byte, call_address
extern on_trap, hypercall_page, body_esp

section .text

%assign vector 0
%rep NR_STUBS
stub %+ vector:
  %if vector >= 32 || ((ERROR_CODES >> vector) & 1) == 0
        push    dword 0                 ; so that every frame looks the same
  %endif
        push    dword vector
        jmp     trap_common
  %assign vector vector + 1
%endrep

trap_common:
        push    ds
        push    es
        pusha
        mov     eax, FLAT_RING1_DS
        mov     ds, eax
        mov     es, eax
        cld
        push    esp                     ; struct trap_frame *
        call    on_trap                 ; comes back if the trap has been dealt with
        add     esp, 4
        popa
        pop     es
        pop     ds
        add     esp, 8                  ; vector, error code
        jmp     HYPERCALL(__HYPERVISOR_iret)

; int call_body(void (*body)(uint32_t), uint32_t arg): 0 if the body returns, 1 if leave_body ended it.
call_body:
        push    ebp
        mov     ebp, esp
        push    ebx
        push    esi
        push    edi
        mov     [body_esp], esp
        push    dword [ebp + 12]
        call    [ebp + 8]
        xor     eax, eax
        jmp     leave_body.out
leave_body:
        mov     eax, 1
.out:   mov     esp, [body_esp]
        mov     dword [body_esp], 0
        pop     edi
        pop     esi
        pop     ebx
        pop     ebp
        ret

; void enter_ring3(uint32_t eip, uint32_t eax): does not return.
enter_ring3:
        mov     ecx, [esp + 4]
        mov     eax, [esp + 8]
        mov     edx, FLAT_RING3_DS
        mov     ds, edx
        mov     es, edx
        push    edx                     ; SS
        push    dword user_stack_top    ; ESP
        pushf                           ; EFLAGS; the real IF is 1, so events are unmasked over there
        push    dword FLAT_RING3_CS     ; CS
        push    ecx                     ; EIP
        jmp     HYPERCALL(__HYPERVISOR_iret)

read_cs:
        xor     eax, eax
        mov     ax, cs
        ret

read_ss:
        xor     eax, eax
        mov     ax, ss
        ret

read_eflags:
        pushf
        pop     eax
        ret

global load_byte_at, store_byte_at
load_byte:
        mov     eax, [esp + 4]
load_byte_at:
        mov     al, [eax]
        ret

store_byte:
        mov     eax, [esp + 4]
store_byte_at:
        mov     byte [eax], 0x5A
        ret

call_address:
        call    [esp + 4]
        ret

section .rodata

align 4
trap_stub:
%assign vector 0
%rep NR_STUBS
        dd stub %+ vector
  %assign vector vector + 1
%endrep

; Ring-3 code of all tests comes together in this section.
section user progbits alloc exec nowrite align=4096

user_done:
        int     0x20

section .bss

alignb 4096
user_stack:
        resb 4096
user_stack_top:
        resb 4096
trap_stack_top:
