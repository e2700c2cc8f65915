; The forced-emulation prefix in front of this and that.

global cpuid_forced, cpuid_signature, bare_ud, wrong_tail, forced_nop, forced_at_end, user_forced_mov, user_forced_mov_at
global user_ud_at_end, at_bare_ud, at_wrong_tail, at_forced_nop

%macro forced 0
        db 0x0F, 0x0B, "xen"
%endmacro

section .text

; uint32_t cpuid_forced(uint32_t leaf): EBX
cpuid_forced:
        push    ebx
        mov     eax, [esp + 8]
        xor     ecx, ecx
        forced
        cpuid
        mov     eax, ebx
        pop     ebx
        ret
bare_ud:
at_bare_ud:
        ud2
        nop
        nop
        nop
        ret
wrong_tail:
at_wrong_tail:
        db 0x0F, 0x0B, "xeN", 0x0F, 0xA2
        ret
forced_nop:
at_forced_nop:
        forced
        nop
        nop
        ret

section user progbits alloc exec nowrite align=4096

user_forced_mov:
user_forced_mov_at:
        forced
        mov     eax, ebx
        int     0x20
