; Segment registers with descriptors of our own.

global es_load, es_store, es_load_dword, at_es, load_es_only, at_load_es, load_ss_only, at_load_ss
global lar_of, lsl_of, verr_of, verw_of, far_call_to, at_far_call, segment_offset

section .text

; void es_load(uint32_t selector): one byte at es:[segment_offset], and so on
es_load:
        mov     ecx, [esp + 4]
        mov     edx, [segment_offset]
        mov     es, cx
        mov     al, [es:edx]
        jmp     restore_es
es_store:
        mov     ecx, [esp + 4]
        mov     edx, [segment_offset]
        mov     es, cx
        mov     byte [es:edx], 0x5A
        jmp     restore_es
es_load_dword:
        mov     ecx, [esp + 4]
        mov     edx, [segment_offset]
        mov     es, cx
        mov     eax, [es:edx]
restore_es:
        push    ds
        pop     es
        ret

load_es_only:
        mov     ecx, [esp + 4]
at_load_es:
        mov     es, cx
        jmp     restore_es

load_ss_only:
        mov     ecx, [esp + 4]
at_load_ss:
        mov     ss, cx
        ret

; uint32_t lar_of(uint32_t selector), lsl_of: ~0 if ZF says no
lar_of:
        mov     edx, [esp + 4]
        lar     eax, edx
        jz      .out
        mov     eax, -1
.out:   ret
lsl_of:
        mov     edx, [esp + 4]
        lsl     eax, edx
        jz      .out
        mov     eax, -1
.out:   ret

; int verr_of(uint32_t selector), verw_of
verr_of:
        mov     edx, [esp + 4]
        xor     eax, eax
        verr    dx
        setz    al
        ret
verw_of:
        mov     edx, [esp + 4]
        xor     eax, eax
        verw    dx
        setz    al
        ret

; void far_call_to(uint32_t selector): a far call to a far return in that segment
far_call_to:
        mov     eax, [esp + 4]
        mov     [far_pointer + 4], ax
at_far_call:
        call    far [far_pointer]
        ret
far_return:
        retf

section .data

align 4
far_pointer:
        dd      far_return
        dw      0, 0

section .bss

alignb 4
segment_offset:
        resd 1
