; hello - a whole kernel: three lines of text, then power off. Xen starts it in ring 1 with the address of a
; letter (start_info) in ESI. It has no screen and no device; all it can do is ask Xen, by INT 0x82.
global _start
_start: mov     edx, first
        call    print
        mov     edi, note.end           ; finish the second line with the first words of the letter
copy:   lodsb
        stosb
        test    al, al
        jnz     copy
        mov     byte [edi - 1], 10      ; a newline in place of the NUL
        mov     edx, note
        call    print
        mov     edx, last
        call    print
        mov     ebx, 2                  ; shutdown ...
        mov     ecx, reason             ; ... because: 0, power off
        mov     eax, 29                 ; sched_op
        int     0x82
print:  xor     ecx, ecx                ; EDX: a text that ends with NUL
.count: inc     ecx
        cmp     byte [edx + ecx], 0
        jne     .count
        xor     ebx, ebx                ; write ECX bytes from EDX
        mov     eax, 18                 ; console_io
        int     0x82
        ret
section .data
first:  db "I am a kernel in ring 1.", 10
        times 24 db 0                   ; room: make the first line say something else
note:   db "Xen left me a note: "
.end:   times 34 db 0
last:   db "Goodbye.", 10               ; its NUL is the first byte of:
reason: dd 0
section .note.Xen note alloc noexec nowrite align=4     ; size of name, of content; type; name; content
        dd 4, 4, 3, "Xen", 0xC0000000   ; VIRT_BASE: where our memory begins
        dd 4, 4, 4, "Xen", 0xC0000000   ; PADDR_OFFSET: subtracted from the addresses in the file
        dd 4, 8, 5, "Xen", "xen-3.0"    ; XEN_VERSION: the interface we speak
        dd 4, 8, 8, "Xen", "generic"    ; LOADER: any will do
        dd 4, 4, 9, "Xen", "yes"        ; PAE_MODE: page-table entries of 64 bits
