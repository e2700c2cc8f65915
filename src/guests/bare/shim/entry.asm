; The two ways between the shim and its program: INT 0x80 in, IRET out; and the exceptions, which end the run.

USER_CS   equ 0x1B
USER_DS   equ 0x23
KERNEL_DS equ 0x10

extern on_call
extern on_exception

section .text

; void enter_user(uint32_t eip, uint32_t esp): does not return. IF is set, as a user program has it; no device is unmasked.
global enter_user
enter_user:
        mov     ecx, [esp + 4]
        mov     edx, [esp + 8]
        mov     eax, USER_DS
        mov     ds, ax
        mov     es, ax
        xor     eax, eax
        mov     fs, ax
        mov     gs, ax
        push    dword USER_DS
        push    edx
        push    dword 0x202
        push    dword USER_CS
        push    ecx
        xor     ebx, ebx
        xor     ecx, ecx
        xor     edx, edx                ; no function for atexit (System V ABI, i386, process initialization)
        xor     esi, esi
        xor     edi, edi
        xor     ebp, ebp
        iret

; The registers in the order of struct call; the answer goes to EAX.
global call_entry
call_entry:
        push    ds
        push    es
        pusha
        mov     eax, KERNEL_DS
        mov     ds, ax
        mov     es, ax
        cld
        push    esp
        call    on_call
        add     esp, 4
        mov     [esp + 28], eax
        popa
        pop     es
        pop     ds
        iret

%macro EXCEPTION 2                      ; vector, whether the processor pushes an error code
global exception_%1
exception_%1:
%if %2 == 0
        push    dword 0
%endif
        push    dword %1
        jmp     exception
%endmacro
        EXCEPTION 0, 0
        EXCEPTION 6, 0
        EXCEPTION 7, 0
        EXCEPTION 8, 1
        EXCEPTION 12, 1
        EXCEPTION 13, 1
        EXCEPTION 14, 1

exception:                              ; vector, error code, EIP, …
        mov     eax, KERNEL_DS
        mov     ds, ax
        mov     es, ax
        cld
        call    on_exception

; void enable_large_pages(void): CR4.PSE
global enable_large_pages
enable_large_pages:
        mov     eax, cr4
        or      eax, 0x10
        mov     cr4, eax
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
