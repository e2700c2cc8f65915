; The doors into the kernel, and the one out of it to ring 3.

%include "xen/hypercall.inc"

global gate_gp, gate_syscall, enter_application
extern hypercall_page, on_general_protection, on_syscall

; Save everything below the error code; what lies on the stack then is struct trap_frame.
%macro SAVE 0
        pusha
        push    ds
        push    es
        mov     eax, FLAT_RING1_DS      ; whatever ring 3 had loaded, the kernel uses its own
        mov     ds, eax
        mov     es, eax
        cld
%endmacro

; None of these touches the flags.
%macro RESTORE 0
        pop     es
        pop     ds
        popa
        lea     esp, [esp + 4]          ; the error code
%endmacro

section .text

; #GP brings an error code below EIP.
gate_gp:
        SAVE
        push    esp
        call    on_general_protection
        pop     eax
        RESTORE
        jmp     HYPERCALL(__HYPERVISOR_iret)

; INT 0x80 from the application. It has no error code: push one, so that every
; frame looks the same.
gate_syscall:
        push    dword 0
        SAVE
        push    esp
        call    on_syscall
        pop     ecx
        ; Who takes us back? If this gate masked events on the way in (EAX), somebody
        ; must unmask them and return in one step: only Xen can. If not, the
        ; processor's own IRET does it all, and Xen never hears of the call.
        test    eax, eax
        RESTORE
        jnz     HYPERCALL(__HYPERVISOR_iret)
        iret

; void enter_application(uint32_t eip, uint32_t esp, uint32_t eflags)
;
; Ring 3 is entered by returning to it: build the frame of an interrupt that
; never was. Does not return; the application comes back through the gates, on
; the stack that stack_switch named.
enter_application:
        mov     ecx, [esp + 4]
        mov     edx, [esp + 8]
        mov     eax, [esp + 12]
        push    dword FLAT_RING3_DS     ; SS
        push    edx                     ; ESP
        push    eax                     ; EFLAGS; Xen takes our event mask from IF
        push    dword FLAT_RING3_CS     ; CS
        push    ecx                     ; EIP
        jmp     HYPERCALL(__HYPERVISOR_iret)
