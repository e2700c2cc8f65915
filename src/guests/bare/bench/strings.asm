; The string instructions, each as a function.

section .text

; void copy_dwords(void *to, const void *from, uint32_t n)
global copy_dwords
copy_dwords:
        push    esi
        push    edi
        mov     edi, [esp + 12]
        mov     esi, [esp + 16]
        mov     ecx, [esp + 20]
        rep     movsd
        pop     edi
        pop     esi
        ret

; void copy_bytes(void *to, const void *from, uint32_t n)
global copy_bytes
copy_bytes:
        push    esi
        push    edi
        mov     edi, [esp + 12]
        mov     esi, [esp + 16]
        mov     ecx, [esp + 20]
        rep     movsb
        pop     edi
        pop     esi
        ret

; void copy_backward(void *to, const void *from, uint32_t n): dwords, the last first
global copy_backward
copy_backward:
        push    esi
        push    edi
        mov     edi, [esp + 12]
        mov     esi, [esp + 16]
        mov     ecx, [esp + 20]
        lea     edi, [edi + 4 * ecx - 4]
        lea     esi, [esi + 4 * ecx - 4]
        std
        rep     movsd
        cld
        pop     edi
        pop     esi
        ret

; void fill_bytes(void *to, uint32_t byte, uint32_t n)
global fill_bytes
fill_bytes:
        push    edi
        mov     edi, [esp + 8]
        mov     eax, [esp + 12]
        mov     ecx, [esp + 16]
        rep     stosb
        pop     edi
        ret

; void fill_dwords(void *to, uint32_t value, uint32_t n)
global fill_dwords
fill_dwords:
        push    edi
        mov     edi, [esp + 8]
        mov     eax, [esp + 12]
        mov     ecx, [esp + 16]
        rep     stosd
        pop     edi
        ret

; uint32_t find_byte(const void *in, uint32_t byte, uint32_t n): how many bytes come before it, n if it is not there
global find_byte
find_byte:
        push    edi
        mov     edi, [esp + 8]
        mov     eax, [esp + 12]
        mov     ecx, [esp + 16]
        test    ecx, ecx
        repne   scasb
        mov     eax, [esp + 16]
        jne     .end
        sub     eax, ecx
        dec     eax
.end:   pop     edi
        ret

; uint32_t same_bytes(const void *a, const void *b, uint32_t n): how many are equal from the start
global same_bytes
same_bytes:
        push    esi
        push    edi
        mov     esi, [esp + 12]
        mov     edi, [esp + 16]
        mov     ecx, [esp + 20]
        cmp     ecx, ecx
        repe    cmpsb
        mov     eax, [esp + 20]
        je      .end
        sub     eax, ecx
        dec     eax
.end:   pop     edi
        pop     esi
        ret

; uint32_t add_words(void *to, const void *from, uint32_t n): LODSD, an addition, STOSD; the sum of what was read
global add_words
add_words:
        push    esi
        push    edi
        mov     edi, [esp + 12]
        mov     esi, [esp + 16]
        mov     ecx, [esp + 20]
        xor     edx, edx
.next:  lodsd
        add     edx, eax
        not     eax
        stosd
        loop    .next
        mov     eax, edx
        pop     edi
        pop     esi
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
