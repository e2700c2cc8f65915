global watched_store, watched_load, watched_call, watched_ss, behind_store, behind_load, at_call, behind_nop
global watched_port, behind_port, write_cr4
global user_watched, watched
global read_dr7, write_dr0, read_dr0

section .text

read_dr7:
        mov     eax, dr7
        ret
write_dr0:
        mov     eax, [esp + 4]
        mov     dr0, eax
        ret
read_dr0:
        mov     eax, dr0
        ret

watched_store:
        mov     eax, [esp + 4]
        mov     [watched], eax
behind_store:
        ret
watched_load:
        mov     eax, [watched]
behind_load:
        ret
watched_call:
        nop
at_call:
        nop
        ret
watched_ss:
        mov     ss, [watched]
        nop
behind_nop:
        ret

watched_port:
        mov     edx, [esp + 4]
        in      al, dx
behind_port:
        ret
write_cr4:
        mov     eax, [esp + 4]
        mov     cr4, eax
        ret

section user progbits alloc exec nowrite align=4096

user_watched:
        int     0x20

section .bss

alignb 4
watched: resd 1
