; The ways compiled kernels write page-table entries.

global store_low, at_store_low, store_high, or_low, exchange8, locked_add, byte_store

section .text

; void store_low(volatile pte_t *entry, uint32_t value), and the others alike
store_low:
        mov     eax, [esp + 4]
        mov     edx, [esp + 8]
at_store_low:
        mov     [eax], edx
        ret

store_high:
        mov     eax, [esp + 4]
        mov     edx, [esp + 8]
        mov     [eax + 4], edx
        ret

or_low:
        mov     eax, [esp + 4]
        mov     edx, [esp + 8]
        or      [eax], edx
        ret

; uint32_t locked_add(volatile pte_t *entry, uint32_t value): what was there
locked_add:
        mov     ecx, [esp + 4]
        mov     eax, [esp + 8]
        lock xadd [ecx], eax
        ret

; int exchange8(volatile pte_t *entry, const pte_t *expected, const pte_t *value)
exchange8:
        push    ebx
        push    esi
        push    edi
        mov     edi, [esp + 16]
        mov     esi, [esp + 20]
        mov     eax, [esi]
        mov     edx, [esi + 4]
        mov     esi, [esp + 24]
        mov     ebx, [esi]
        mov     ecx, [esi + 4]
        lock cmpxchg8b [edi]
        setz    al
        movzx   eax, al
        pop     edi
        pop     esi
        pop     ebx
        ret

byte_store:
        mov     eax, [esp + 4]
        mov     edx, [esp + 8]
        mov     [eax], dl
        ret
