; String instructions. Each function takes its registers from `given` and puts them into `left`.

global rep_movsb, rep_movsd, rep_stosd_down, repe_cmpsb, repne_scasb, rep_lodsb
global at_rep_movsb, at_rep_movsd, given, left

%macro LOAD 0
        push    esi
        push    edi
        mov     esi, [given]
        mov     edi, [given + 4]
        mov     ecx, [given + 8]
        mov     eax, [given + 12]
%endmacro

%macro SAVE_AND_RETURN 0
        mov     [left], esi
        mov     [left + 4], edi
        mov     [left + 8], ecx
        mov     [left + 12], eax
        pushf
        pop     dword [left + 16]
        cld
        pop     edi
        pop     esi
        ret
%endmacro

section .text

rep_movsb:
        LOAD
at_rep_movsb:
        rep movsb
        SAVE_AND_RETURN

rep_movsd:
        LOAD
at_rep_movsd:
        rep movsd
        SAVE_AND_RETURN

rep_stosd_down:
        LOAD
        std
        rep stosd
        SAVE_AND_RETURN

repe_cmpsb:
        LOAD
        repe cmpsb
        SAVE_AND_RETURN

repne_scasb:
        LOAD
        repne scasb
        SAVE_AND_RETURN

rep_lodsb:
        LOAD
        rep lodsb
        SAVE_AND_RETURN

section .bss

alignb 4
given:  resd 4                          ; esi, edi, ecx, eax
left:   resd 5                          ; the same, and eflags
