; Instructions that trap, each with the place where it does.

global try_ud2, try_int3, try_into, try_div, try_bound, try_int21, try_int2f, try_single_step
global try_load_ds, try_load_ss
global at_ud2, after_int3, after_into, at_div, at_bound, at_int21, after_int21, at_int2f, after_step
global at_load_ds, at_load_ss
global user_int3, user_after_int3, user_int21, user_int82, user_int80, user_after_int80, user_load, user_store
global user_ud2, user_cli

section .text

try_ud2:
at_ud2: ud2
        ret

try_int3:
        int3
after_int3:
        ret

try_into:
        mov     eax, 0x7FFFFFFF
        add     eax, 1                  ; OF := 1
        into
after_into:
        ret

try_div:
        xor     edx, edx
        mov     eax, 1
        xor     ecx, ecx
at_div: div     ecx
        ret

try_bound:
        mov     eax, 11
at_bound:
        bound   eax, [limits]
        ret

try_int21:
at_int21:
        int     0x21
after_int21:
        ret

try_int2f:
at_int2f:
        int     0x2F
        ret

; TF takes effect after the instruction that follows POPF.
try_single_step:
        pushf
        or      dword [esp], 0x100
        popf
        nop
after_step:
        ret

try_load_ds:
        mov     eax, [esp + 4]
at_load_ds:
        mov     ds, ax
        push    ss                      ; C wants its data segment back
        pop     ds
        ret

try_load_ss:
        mov     eax, [esp + 4]
at_load_ss:
        mov     ss, ax
        ret

section .rodata

align 4
limits: dd 0, 10

section user progbits alloc exec nowrite align=4096

user_int3:
        int3
user_after_int3:
        int     0x20
user_int21:
        int     0x21
        int     0x20
user_int82:
        int     0x82
        int     0x20
user_int80:
        int     0x80
user_after_int80:
        int     0x20
user_load:
        mov     al, [eax]
        int     0x20
user_store:
        mov     byte [eax], 1
        int     0x20
user_ud2:
        ud2
user_cli:
        cli
        int     0x20
