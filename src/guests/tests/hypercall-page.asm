; A hypercall with all registers filled, to see what comes back.

global call_with_state, state

section .text

; Loads every register from `state`, executes INT 0x82, stores every register there again.
call_with_state:
        pusha
        push    dword [state + 28]
        popf
        mov     eax, [state + 0]
        mov     ebx, [state + 4]
        mov     ecx, [state + 8]
        mov     edx, [state + 12]
        mov     esi, [state + 16]
        mov     edi, [state + 20]
        mov     ebp, [state + 24]
        int     0x82
        mov     [state + 0], eax
        mov     [state + 4], ebx
        mov     [state + 8], ecx
        mov     [state + 12], edx
        mov     [state + 16], esi
        mov     [state + 20], edi
        mov     [state + 24], ebp
        pushf
        pop     dword [state + 28]
        cld
        popa
        ret

section .bss

alignb 4
state:  resd 8
