; A failsafe callback that keeps its frame, and a segment register to spoil.

%include "xen/hypercall.inc"

global failsafe_kept, load_fs, read_fs, failsafe_frame, failsafe_esp, failsafe_fs, failsafe_cs, failsafe_ss
extern hypercall_page

section .text

; Frame: DS, ES, FS, GS, EIP, CS | mask << 16, EFLAGS.
failsafe_kept:
        mov     [ss:failsafe_esp], esp
        mov     [ss:failsafe_fs], fs
        mov     [ss:failsafe_cs], cs
        mov     [ss:failsafe_ss], ss
        push    eax
%assign slot 0
%rep 7
        mov     eax, [esp + 4 + 4*slot]
        mov     [ss:failsafe_frame + 4*slot], eax
  %assign slot slot + 1
%endrep
        pop     eax
        add     esp, 16
        jmp     HYPERCALL(__HYPERVISOR_iret)

load_fs:
        mov     fs, [esp + 4]
        ret
read_fs:
        xor     eax, eax
        mov     ax, fs
        ret

section .bss

alignb 4
failsafe_frame: resd 7
failsafe_esp: resd 1
failsafe_fs: resd 1
failsafe_cs: resd 1
failsafe_ss: resd 1
