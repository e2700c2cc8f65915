global store_dword, at_store_dword, user_load, user_store, user_call

section .text

store_dword:
        mov     eax, [esp + 4]
at_store_dword:
        mov     dword [eax], 0x44332211
        ret

section user progbits alloc exec nowrite align=4096

user_load:
        mov     al, [eax]
        int     0x20
user_store:
        mov     byte [eax], 0x77
        int     0x20
user_call:
        call    eax
        int     0x20
