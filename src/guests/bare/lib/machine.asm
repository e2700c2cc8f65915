; The instructions that C has no words for. cdecl: EAX, ECX, EDX are the callee's.

section .text

; void out8(uint32_t port, uint32_t value)
global out8
out8:   mov     edx, [esp + 4]
        mov     eax, [esp + 8]
        out     dx, al
        ret

; uint32_t in8(uint32_t port)
global in8
in8:    mov     edx, [esp + 4]
        xor     eax, eax
        in      al, dx
        ret

; void out32(uint32_t port, uint32_t value)
global out32
out32:  mov     edx, [esp + 4]
        mov     eax, [esp + 8]
        out     dx, eax
        ret

; uint32_t in32(uint32_t port)
global in32
in32:   mov     edx, [esp + 4]
        in      eax, dx
        ret

; void write_cr3(uint32_t directory)
global write_cr3
write_cr3:
        mov     eax, [esp + 4]
        mov     cr3, eax
        ret

; uint32_t read_cr2(void)
global read_cr2
read_cr2:
        mov     eax, cr2
        ret

; void enable_paging(void): CR0.PG and CR0.WP; CR3 is already right.
global enable_paging
enable_paging:
        mov     eax, cr0
        or      eax, 0x80010000
        mov     cr0, eax
        jmp     .on
.on:    ret

; void invalidate(uint32_t vaddr)
global invalidate
invalidate:
        mov     eax, [esp + 4]
        invlpg  [eax]
        ret

; void load_idt(const void *table, uint32_t bytes)
global load_idt
load_idt:
        mov     eax, [esp + 4]
        mov     ecx, [esp + 8]
        dec     ecx
        sub     esp, 8
        mov     [esp + 2], cx
        mov     [esp + 4], eax
        lidt    [esp + 2]
        add     esp, 8
        ret

; void load_task(uint32_t selector)
global load_task
load_task:
        mov     eax, [esp + 4]
        ltr     ax
        ret

; void load_gs(uint32_t selector)
global load_gs
load_gs:
        mov     eax, [esp + 4]
        mov     gs, ax
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
