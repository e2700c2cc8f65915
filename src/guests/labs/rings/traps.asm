; The doors into the kernel, and the one out of it to ring 3.

%include "xen/hypercall.inc"

global gate_gp, gate_syscall, enter_application
extern hypercall_page, shared_info, on_general_protection, on_syscall

; shared_info.vcpu_info[0].evtchn_upcall_mask
UPCALL_MASK equ 1

; Save everything, make the segments the kernel's, call the C handler with a
; pointer to what lies on the stack: struct trap_frame.
%macro CALL_HANDLER 1
        pusha
        push    ds
        push    es
        mov     eax, FLAT_RING1_DS
        mov     ds, eax
        mov     es, eax
        cld
        push    esp
        call    %1
        add     esp, 4
        pop     es
        pop     ds
        popa
%endmacro

section .text

; #GP brings an error code below EIP.
gate_gp:
        CALL_HANDLER on_general_protection
        add     esp, 4                  ; the error code
        jmp     HYPERCALL(__HYPERVISOR_iret)

; INT 0x80 from the application. It has no error code: push one, so that every
; frame looks the same.
gate_syscall:
        push    dword 0
        CALL_HANDLER on_syscall
        add     esp, 4
        ; Who takes us back? If this gate masked events on the way in, somebody
        ; must unmask them and return in one step: only Xen can. If not, the
        ; processor's own IRET does it all, and Xen never hears of the call.
        push    eax
        mov     eax, [shared_info]
        cmp     byte [eax + UPCALL_MASK], 0
        pop     eax
        jne     HYPERCALL(__HYPERVISOR_iret)
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
