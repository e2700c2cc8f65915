; Floating-point instructions, for what they do while CR0.TS is set.

global try_fnstcw, at_fnstcw, try_wait, at_wait, read_cr0, write_cr0, do_clts

section .text

try_fnstcw:
        sub     esp, 4
at_fnstcw:
        fnstcw  [esp]
        add     esp, 4
        ret

try_wait:
at_wait:
        wait
        ret

read_cr0:
        mov     eax, cr0
        ret
write_cr0:
        mov     eax, [esp + 4]
        mov     cr0, eax
        ret
do_clts:
        clts
        ret
