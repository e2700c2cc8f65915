; The two sides of the trap workload. Ring 3 knocks with INT 0x80; ring 0 answers and counts, and steps over what faulted.

USER_CS equ 0x1B
USER_DS equ 0x23
KERNEL_DS equ 0x10

extern on_call
extern kernel_stack_top

section .text

; uint32_t run_user(uint32_t rounds): goes to ring 3 and comes back through call number 0.
global run_user
run_user:
        push    ebp
        push    ebx
        push    esi
        push    edi
        mov     ecx, [esp + 20]
        mov     [returning], esp
        mov     eax, USER_DS
        mov     ds, ax
        mov     es, ax
        push    dword USER_DS
        push    dword user_stack_top
        push    dword 0x202             ; IF: what a user program has; no device is unmasked
        push    dword USER_CS
        push    dword user
        iret
back:   mov     esp, [returning]
        mov     ecx, KERNEL_DS
        mov     ds, cx
        mov     es, cx
        pop     edi
        pop     esi
        pop     ebx
        pop     ebp
        ret

; ECX rounds, each with three calls and two faults; the sum in EBX.
user:   xor     ebx, ebx
        mov     esi, ecx
.round: mov     eax, 1
        mov     edx, esi
        int     0x80
        add     ebx, eax
        mov     eax, 2
        mov     edx, ebx
        int     0x80
        xor     ebx, eax
        int3
        rol     ebx, 3
        xor     eax, eax
        xor     edx, edx
        div     eax                     ; #DE: the handler steps over these two bytes
        add     ebx, eax
        cli                             ; #GP(0): one byte
        add     ebx, eax
        mov     eax, 3
        mov     edx, esi
        int     0x80
        add     ebx, eax
        dec     esi
        jnz     .round
        xor     eax, eax
        int     0x80                    ; does not come back
        ud2

; INT 0x80: EAX number, EDX argument; the answer in EAX.
global call_entry
call_entry:
        test    eax, eax
        jz      .leave
        push    ds
        push    es
        push    ecx
        push    edx
        mov     ecx, KERNEL_DS
        mov     ds, cx
        mov     es, cx
        push    edx
        push    eax
        call    on_call
        add     esp, 8
        pop     edx
        pop     ecx
        pop     es
        pop     ds
        iret
.leave: mov     eax, ebx
        jmp     back

global breakpoint_entry
breakpoint_entry:
        inc     ebx
        iret

global divide_entry
divide_entry:
        add     dword [esp], 2
        mov     eax, 7
        iret

global protection_entry
protection_entry:
        mov     eax, [esp]              ; the error code
        add     esp, 4
        inc     dword [esp]
        add     eax, 11
        iret

section .data
returning: dd 0

section .bss nobits alloc write
        alignb  16
        resb    4096
user_stack_top:

section .note.GNU-stack noalloc noexec nowrite progbits
