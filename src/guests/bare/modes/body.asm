; modes: one processor through all of its modes, checking on the way.
;
; Specification. On COM1 the program prints a line when it has done a stage, and then the verdict:
;
;   real mode           segments, interrupts through the vector table, faults, stack and string rules of 16 bits (SDM vol. 3, ch. 21)
;   protected mode      descriptors and their checks, exceptions with their error codes, single step and breakpoint, rings, gates (ch. 5, 6, 17)
;   paging              aliases, faults and CR2, write protection, accessed and dirty, 4 MiB pages, restarts, PAE (ch. 4)
;   virtual-8086 mode   a monitor for IOPL 0, direct execution at IOPL 3, ports, faults from within (ch. 21)
;   task switch         JMP, CALL and IRET between TSSs of 32 and of 16 bits, task gates in GDT and IDT, an error code, #TS and its kin (ch. 8)
;   PASS modes
;
; The first check that fails prints FAIL, what it was about, and ends the run with status 1 at port F4h; PASS ends it with 0.
;
; For comparison with emulators that are less strict, LENIENT leaves out what they do not check (segment limits, access rights, null
; selectors, LOCK), WITHOUT_DEBUG the debug exceptions. The images that are shipped leave out nothing.

%include "src/guests/bare/modes/layout.inc"
%include "src/guests/bare/modes/checks.inc"

        org     BODY
        bits    16
        jmp     real_mode
        times   FROM_PROTECTED - ($ - $$) nop
        bits    32
from_protected:
        lgdt    [gdt_register]
        jmp     CODE16:.sixteen
        bits    16
.sixteen:
        mov     ax, DATA16              ; limits of 64 KiB, for real mode keeps what it finds
        mov     ds, ax
        mov     es, ax
        mov     fs, ax
        mov     gs, ax
        mov     ss, ax
        mov     eax, cr0
        and     al, ~1
        mov     cr0, eax
        jmp     0:real_mode

%include "src/guests/bare/modes/real.inc"
%include "src/guests/bare/modes/exceptions.inc"
%include "src/guests/bare/modes/protected.inc"
%include "src/guests/bare/modes/rings.inc"
%include "src/guests/bare/modes/paging.inc"
%include "src/guests/bare/modes/virtual.inc"
%include "src/guests/bare/modes/tasks.inc"

        bits    32
passed: SAY     "PASS modes"
        xor     eax, eax
leave:  out     EXIT_PORT, al
.halt:  cli
        hlt
        jmp     .halt

; ESI: what failed.
fail:   mov     ax, DATA32
        mov     ds, ax
        mov     ss, ax
        push    esi
        mov     esi, .fail
        call    print
        pop     esi
        call    print
        mov     esi, .end
        call    print
        mov     al, 1
        jmp     leave
.fail:  db      "FAIL ", 0
.end:   db      10, 0

; The text at DS:ESI to COM1. Ring 0.
print:  lodsb
        test    al, al
        jz      .end
        mov     ah, al
        mov     dx, COM1 + 5
.wait:  in      al, dx
        test    al, 0x20
        jz      .wait
        mov     dx, COM1
        mov     al, ah
        out     dx, al
        jmp     print
.end:   ret

%include "src/guests/bare/modes/tables.inc"

        align   2, db 0
        dw      BODY_MARK
%if $ - $$ > 0x10000 - BODY
%error "the body does not end below 64 KiB"
%endif
