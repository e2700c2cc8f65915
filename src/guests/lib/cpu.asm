; What C cannot say about the processor.

bits 32

%macro FUNCTION 1
global %1:function
%1:
%endmacro

section .text

; uint32_t atomic_exchange(volatile uint32_t *where, uint32_t value)
FUNCTION atomic_exchange
        mov     ecx, [esp + 4]
        mov     eax, [esp + 8]
        xchg    eax, [ecx]              ; XCHG with memory always locks
        ret

; uint16_t atomic_compare_exchange16(volatile uint16_t *where, uint16_t expected, uint16_t value)
FUNCTION atomic_compare_exchange16
        mov     ecx, [esp + 4]
        mov     eax, [esp + 8]
        mov     edx, [esp + 12]
        lock cmpxchg [ecx], dx
        movzx   eax, ax
        ret

; void atomic_set_bit(volatile uint32_t *words, uint32_t bit)
FUNCTION atomic_set_bit
        mov     ecx, [esp + 4]
        mov     eax, [esp + 8]
        lock bts [ecx], eax             ; the bit number reaches beyond the first word
        ret

; void atomic_clear_bit(volatile uint32_t *words, uint32_t bit)
FUNCTION atomic_clear_bit
        mov     ecx, [esp + 4]
        mov     eax, [esp + 8]
        lock btr [ecx], eax
        ret

; int test_bit(const volatile uint32_t *words, uint32_t bit)
FUNCTION test_bit
        mov     ecx, [esp + 4]
        mov     edx, [esp + 8]
        xor     eax, eax
        bt      [ecx], edx
        setc    al
        ret

; uint32_t lowest_bit(uint32_t word)
FUNCTION lowest_bit
        bsf     eax, [esp + 4]
        ret

; void memory_barrier(void)
FUNCTION memory_barrier
        lock add dword [esp], 0         ; a locked instruction drains the store buffer
        ret

; uint64_t read_tsc(void)
FUNCTION read_tsc
        rdtsc                           ; EDX:EAX is also where C expects a 64-bit result
        ret

; uint64_t multiply_shift32(uint64_t a, uint32_t b)
FUNCTION multiply_shift32
        push    ebx
        mov     ecx, [esp + 16]
        mov     eax, [esp + 8]          ; low half: only its upper product word survives
        mul     ecx
        mov     ebx, edx
        mov     eax, [esp + 12]         ; high half
        mul     ecx
        add     eax, ebx
        adc     edx, 0
        pop     ebx
        ret

; uint32_t divide(uint64_t *n, uint32_t divisor)
FUNCTION divide
        push    ebx
        mov     ecx, [esp + 8]
        mov     ebx, [esp + 12]
        xor     edx, edx
        mov     eax, [ecx + 4]          ; schoolbook: high half first,
        div     ebx
        mov     [ecx + 4], eax
        mov     eax, [ecx]              ; its remainder goes in front of the low half
        div     ebx
        mov     [ecx], eax
        mov     eax, edx
        pop     ebx
        ret
