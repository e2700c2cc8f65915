; modes, as a ROM of 64 KiB: the program of body.asm, copied to RAM by what the processor finds at its reset vector.
;
; Specification: body.asm. What this start adds: RESET leaves CS = F000h with the base FFFF0000h and IP = FFF0h (SDM vol. 3, 10.1.4), so
; the first instruction comes from the copy below 4 GiB; the first far jump goes on in the copy below 1 MiB.

%include "src/guests/bare/modes/layout.inc"

ROM_SEGMENT equ 0xF000
ROM_SIZE    equ 0x10000

        bits    16
        org     0

start:  cli
        cld
        mov     ax, cs                  ; the far jump gave CS its ordinary base
        mov     ds, ax
        xor     ax, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, REAL_STACK
        mov     si, body
        mov     di, BODY
        mov     cx, body_end - body
        rep     movsb
        cmp     word [es:BODY + body_end - body - 2], BODY_MARK
        jne     .lost                   ; no RAM at BODY
        jmp     0:BODY
.lost:  hlt
        jmp     .lost

body:   incbin  "modes-body.bin"
body_end:

        times   ROM_SIZE - 16 - ($ - $$) db 0xFF
reset:  jmp     ROM_SEGMENT:start
        times   ROM_SIZE - ($ - $$) db 0xFF
