; Places where an event may come in, and code that waits for one in ring 3.

global unmask_then_int21, unmask_then_hypercall, user_wait, user_wait_end, mask_byte

section .text

; Unmasking is a plain store: nobody notices before the next entry into Xen.
unmask_then_int21:
        mov     eax, [mask_byte]
        mov     byte [eax], 0
        nop
        int     0x21
        ret

; void unmask_then_hypercall(uint32_t): xen_version
unmask_then_hypercall:
        push    ebx
        mov     eax, [mask_byte]
        mov     byte [eax], 0
        nop
        mov     eax, 17
        xor     ebx, ebx
        xor     ecx, ecx
        int     0x82
        pop     ebx
        ret

section .bss

alignb 4
mask_byte:
        resd 1                          ; address of vcpu_info[0].evtchn_upcall_mask

section user progbits alloc exec nowrite align=4096

; Entered with an event pending: the upcall comes first, and must leave no trace.
user_wait:
        mov     ecx, 0x1234
        mov     edx, 0x5678
        xor     eax, eax
        add     eax, 0x600D
user_wait_end:
        int     0x20
