; CR3, and a byte at any address.

global read_cr3, write_cr3

section .text

read_cr3:
        mov     eax, cr3
        ret
write_cr3:
        mov     eax, [esp + 4]
        mov     cr3, eax
        ret
