; The page-fault handler of the page workload: the faulting page is given a frame, and the instruction runs again.
extern on_page_fault

section .text
global page_fault_entry
page_fault_entry:
        pusha
        mov     eax, cr2
        push    dword [esp + 32]        ; the error code
        push    eax
        call    on_page_fault
        add     esp, 8
        popa
        add     esp, 4
        iret

section .note.GNU-stack noalloc noexec nowrite progbits
