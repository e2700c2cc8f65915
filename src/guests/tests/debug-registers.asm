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
