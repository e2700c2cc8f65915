; Privileged and sensitive instructions, one function each; a fault points at the function itself
; unless a label says otherwise.

%macro TRY 1
global %1
%1:
%endmacro

section .text

TRY try_read_cr0
        mov     eax, cr0
        ret
TRY try_write_cr0
        mov     eax, [esp + 4]
TRY at_write_cr0
        mov     cr0, eax
        ret
TRY try_read_cr2
        mov     eax, cr2
        ret
TRY try_write_cr2
        mov     eax, [esp + 4]
        mov     cr2, eax
        ret
TRY try_read_cr3
        mov     eax, cr3
        ret
TRY try_write_cr3
        mov     eax, [esp + 4]
TRY at_write_cr3
        mov     cr3, eax
        ret
TRY try_read_cr4
        mov     eax, cr4
        ret
TRY try_write_cr4
        mov     eax, [esp + 4]
        mov     cr4, eax
        ret
TRY try_clts
        clts
        ret
TRY try_cli
        cli
        ret
TRY try_sti
        sti
        ret
TRY try_hlt
        hlt
        ret
TRY try_wbinvd
        wbinvd
        ret
TRY try_invd
        invd
        ret
TRY try_invlpg
        invlpg  [0xC0000000]
        ret
TRY try_lgdt
        lgdt    [0xC0000000]
        ret
TRY try_lidt
        lidt    [0xC0000000]
        ret
TRY try_lldt
        lldt    ax
        ret
TRY try_ltr
        ltr     ax
        ret
TRY try_lmsw
        lmsw    ax
        ret
TRY try_read_msr
        mov     ecx, [esp + 4]
        xor     eax, eax
        xor     edx, edx
TRY at_read_msr
        rdmsr
        ret
TRY try_write_msr
        mov     ecx, [esp + 4]
        xor     eax, eax
        xor     edx, edx
TRY at_write_msr
        wrmsr
        ret
TRY try_in
        mov     edx, [esp + 4]
        xor     eax, eax
TRY at_in
        in      al, dx
        ret
TRY try_in32
        mov     edx, [esp + 4]
        xor     eax, eax
        in      eax, dx
        ret
TRY try_out
        mov     edx, [esp + 4]
        xor     eax, eax
TRY at_out
        out     dx, al
        ret

; TF takes effect behind the instruction after POPF, which here is one that Xen carries out.
TRY step_over_emulated
        pushf
        or      dword [esp], 0x100
        popf
        mov     eax, cr0
TRY after_emulated
        ret

; The forced emulation prefix: ud2, "xen", and the instruction to emulate.
TRY forced_cpuid
        push    ebx
        mov     eax, [esp + 8]
        xor     ecx, ecx
        db      0x0F, 0x0B, "xen"
        cpuid
        mov     ecx, [esp + 12]
        test    ecx, ecx
        jz      .done
        mov     [ecx], ebx
        mov     [ecx + 4], edx
.done:  pop     ebx
        ret
TRY plain_cpuid
        push    ebx
        mov     eax, [esp + 8]
        xor     ecx, ecx
        cpuid
        mov     ecx, [esp + 12]
        test    ecx, ecx
        jz      .done
        mov     [ecx], ebx
        mov     [ecx + 4], edx
.done:  pop     ebx
        ret
TRY forced_mov
        db      0x0F, 0x0B, "xen"
        mov     eax, ebx
        ret

section user progbits alloc exec nowrite align=4096

TRY user_read_cr0
        mov     eax, cr0
        int     0x20
TRY user_clts
        clts
        int     0x20
TRY user_in
        mov     edx, 0x80
TRY user_at_in
        in      al, dx
        int     0x20
TRY user_cpuid
        xor     eax, eax
        db      0x0F, 0x0B, "xen"
        cpuid
        int     0x20
TRY user_sgdt
        sub     esp, 8
        sgdt    [esp]
        sidt    [esp]
        sldt    ax
        str     ax
        smsw    ax
        add     esp, 8
        int     0x20
