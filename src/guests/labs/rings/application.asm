; The application: this page and its stack are open to ring 3, nothing else is.
;
; System calls: EAX = 1 say where you are, EAX = 2 leave.

%include "xen/hypercall.inc"

global application, application_stack, application_stack_top

section .application progbits alloc exec nowrite align=4096

application:
        mov     eax, FLAT_RING3_DS      ; the way down emptied DS and ES: they were ring 1's
        mov     ds, eax
        mov     es, eax
        mov     esi, 2
knock:
        mov     eax, 1
global door_int80
door_int80:
        int     0x80                    ; first straight to the kernel, then past Xen: it changes the gate
        dec     esi
        jnz     knock

        mov     eax, __HYPERVISOR_sched_op
        xor     ebx, ebx
        xor     ecx, ecx
global door_int82_ring3
door_int82_ring3:
        int     0x82                    ; the hypervisor's door, from the wrong ring

        mov     eax, 2
        int     0x80
.never: jmp     .never

align 4096, db 0                        ; the rest of the page: nobody else's code may follow in it

section .bss

alignb 4096
application_stack:
        resb 4096
application_stack_top:
