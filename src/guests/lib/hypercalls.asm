; Hypercalls as C functions.
;
; C passes arguments on the stack; Xen wants them in EBX, ECX, EDX, ESI, EDI and
; may leave rubbish there. EBX, ESI and EDI belong to the C caller, so they are
; saved. The trap itself, INT 0x82, is in the stub that Xen wrote.

%include "xen/hypercall.inc"

bits 32

extern hypercall_page

; HYPERCALL_FUNCTION name, number of 32-bit arguments
%macro HYPERCALL_FUNCTION 2
global HYPERVISOR_%1:function
HYPERVISOR_%1:
        push    ebp
        mov     ebp, esp
        push    ebx
  %if %2 >= 4
        push    esi
  %endif
  %if %2 >= 5
        push    edi
  %endif
        mov     ebx, [ebp + 8]
  %if %2 >= 2
        mov     ecx, [ebp + 12]
  %endif
  %if %2 >= 3
        mov     edx, [ebp + 16]
  %endif
  %if %2 >= 4
        mov     esi, [ebp + 20]
  %endif
  %if %2 >= 5
        mov     edi, [ebp + 24]
  %endif
        call    HYPERCALL(__HYPERVISOR_%1)
  %if %2 >= 5
        pop     edi
  %endif
  %if %2 >= 4
        pop     esi
  %endif
        pop     ebx
        pop     ebp
        ret
%endmacro

section .text

; A 64-bit argument counts as two, low half first: that is how C lays it out too.
HYPERCALL_FUNCTION set_trap_table, 1
HYPERCALL_FUNCTION mmu_update, 4
HYPERCALL_FUNCTION set_gdt, 2
HYPERCALL_FUNCTION stack_switch, 2
HYPERCALL_FUNCTION set_callbacks, 4
HYPERCALL_FUNCTION fpu_taskswitch, 1
HYPERCALL_FUNCTION set_debugreg, 2
HYPERCALL_FUNCTION get_debugreg, 1
HYPERCALL_FUNCTION update_descriptor, 4
HYPERCALL_FUNCTION memory_op, 2
HYPERCALL_FUNCTION multicall, 2
HYPERCALL_FUNCTION update_va_mapping, 4
HYPERCALL_FUNCTION set_timer_op, 2
HYPERCALL_FUNCTION xen_version, 2
HYPERCALL_FUNCTION console_io, 3
HYPERCALL_FUNCTION grant_table_op, 3
HYPERCALL_FUNCTION vm_assist, 2
HYPERCALL_FUNCTION update_va_mapping_otherdomain, 5
HYPERCALL_FUNCTION vcpu_op, 3
HYPERCALL_FUNCTION mmuext_op, 4
HYPERCALL_FUNCTION nmi_op, 2
HYPERCALL_FUNCTION sched_op, 2
HYPERCALL_FUNCTION callback_op, 2
HYPERCALL_FUNCTION event_channel_op, 2
HYPERCALL_FUNCTION physdev_op, 2
HYPERCALL_FUNCTION sysctl, 1
HYPERCALL_FUNCTION domctl, 1

; int hypercall(number, a1, a2, a3, a4, a5): without the page, for any number at all.
global hypercall:function
hypercall:
        push    ebp
        mov     ebp, esp
        push    ebx
        push    esi
        push    edi
        mov     eax, [ebp + 8]
        mov     ebx, [ebp + 12]
        mov     ecx, [ebp + 16]
        mov     edx, [ebp + 20]
        mov     esi, [ebp + 24]
        mov     edi, [ebp + 28]
        int     0x82
        pop     edi
        pop     esi
        pop     ebx
        pop     ebp
        ret
