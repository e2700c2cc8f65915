// Rules (decisions with an outcome) and actions of this part of the hypervisor. Order is the number in the record: append only.
// A rule's sentence says what is required and what was found, so that it is true whether the check passed or not.
import type { Sentence } from './types.ts';

export const RULES_TRAPS = [
  ['hypercall.known', 'There is no hypercall with the number {0:dec}.', '{0:dec}번 하이퍼콜은 없습니다.'],
  [
    'bounce.no-handler',
    "An exception needs a handler in the guest's trap table; slot {0:dec} is empty, so the domain cannot go on.",
    '예외에는 게스트 트랩 테이블의 핸들러가 필요합니다. {0:dec}번 칸이 비어 있어 도메인이 계속할 수 없습니다.',
  ],
  [
    'bounce.stack-selector',
    'Coming from user mode the handler runs on the kernel stack, but its selector {0:sel} cannot be loaded.',
    '사용자 모드에서 오면 핸들러는 커널 스택에서 실행되지만 그 선택자 {0:sel}을(를) 적재할 수 없습니다.',
  ],
  [
    'bounce.stack-unwritable',
    "The frame of {1:dec} words must be written at {0:vaddr}, and the guest's page tables do not allow it.",
    '{1:dec}워드 프레임을 {0:vaddr}에 써야 하지만 게스트의 페이지 테이블이 허용하지 않습니다.',
  ],
  [
    'bounce.handler-unreachable',
    'The handler at {0:sel}:{1:vaddr} fails again and again before its first instruction.',
    '{0:sel}:{1:vaddr}의 핸들러가 첫 명령어 전에 거듭 실패합니다.',
  ],
  [
    'return.loadable',
    'The CPU must be able to return to {0:sel}:{1:vaddr}; it raises exception {2:dec} ({3:hex}) there instead.',
    'CPU가 {0:sel}:{1:vaddr}(으)로 돌아갈 수 있어야 하지만, 대신 그곳에서 예외 {2:dec}({3:hex})가 발생합니다.',
  ],
  [
    'upcall.no-callback',
    'An event is due and not masked, but the guest has registered no callback for events.',
    '이벤트가 마스크되지 않은 채 도착했지만 게스트가 이벤트 콜백을 등록하지 않았습니다.',
  ],
  [
    'failsafe.registered',
    'A segment register cannot be reloaded, so the failsafe callback must exist.',
    '세그먼트 레지스터를 다시 적재할 수 없으므로 비상(failsafe) 콜백이 있어야 합니다.',
  ],
  [
    'iret.frame-readable',
    'The return frame at {0:vaddr} must be readable.',
    '{0:vaddr}의 복귀 프레임을 읽을 수 있어야 합니다.',
  ],
  [
    'iret.ring0',
    "A frame may lead to ring 1, 2 or 3; selector {0:sel} asks for ring 0, which is Xen's.",
    '프레임은 특권 링 1, 2, 3으로만 이어질 수 있습니다. 선택자 {0:sel}은(는) Xen의 특권 링 0을 요구합니다.',
  ],
  [
    'iret.vm86',
    'The frame asks for virtual-8086 mode, which this Xen does not enter; the guest gets #GP instead.',
    '프레임이 가상 8086 모드를 요구하지만 이 Xen은 들어가지 않으므로 게스트가 #GP를 받습니다.',
  ],
  [
    'int.slot-dpl',
    "INT {0:dec} from ring {2:dec} needs a trap-table slot with DPL {2:dec} or higher; this slot's DPL is {1:dec}.",
    '특권 링 {2:dec}에서 INT {0:dec}을(를) 쓰려면 트랩 테이블 칸의 DPL이 {2:dec} 이상이어야 합니다. 이 칸의 DPL은 {1:dec}입니다.',
  ],
  [
    'traps.list-readable',
    'Entry {1:dec} of the trap list at {0:vaddr} must be readable.',
    '{0:vaddr}에 있는 트랩 목록의 {1:dec}번 항목을 읽을 수 있어야 합니다.',
  ],
  [
    'priv.known',
    "Only the privileged instructions on Xen's list are emulated; bytes {0:hex} are looked up in it.",
    'Xen의 목록에 있는 특권 명령어만 대신 실행됩니다. 바이트 {0:hex}을(를) 그 목록에서 찾습니다.',
  ],
  [
    'priv.kernel-only',
    "This instruction is emulated for the guest's kernel (ring 1) only; it was executed in ring {0:dec}.",
    '이 명령어는 게스트 커널(특권 링 1)에서만 대신 실행됩니다. 특권 링 {0:dec}에서 실행되었습니다.',
  ],
  [
    'priv.iopl',
    'The virtual IOPL must be at least the privilege level {1:dec}; it is {0:dec}.',
    '가상 IOPL이 특권 수준 {1:dec} 이상이어야 합니다. 현재 {0:dec}입니다.',
  ],
  [
    'priv.cr0-only-ts',
    'Of CR0 a guest may change only TS; the new value {0:hex} would change the bits {1:hex}.',
    '게스트는 CR0에서 TS만 바꿀 수 있습니다. 새 값 {0:hex}은(는) 비트 {1:hex}을(를) 바꾸려 합니다.',
  ],
  [
    'priv.bytes-readable',
    "The instruction's bytes at {0:vaddr} must be readable before Xen can look at it.",
    'Xen이 살펴보려면 {0:vaddr}의 명령어 바이트를 읽을 수 있어야 합니다.',
  ],
  [
    'forced.cpuid-only',
    'Behind the forced-emulation prefix only CPUID is carried out; there stand {0:hex} {1:hex}.',
    '강제 에뮬레이션 접두사 뒤에서는 CPUID만 실행됩니다. 그 자리에는 {0:hex} {1:hex}이(가) 있습니다.',
  ],
  [
    'io.permitted',
    "Port {0:hex} ({1:dec} bytes) needs a sufficient virtual IOPL, which is {2:dec}, or a clear bit in the guest's I/O bitmap.",
    '포트 {0:hex}({1:dec}바이트)에는 충분한 가상 IOPL(현재 {2:dec})이나 게스트 I/O 비트맵의 0 비트가 필요합니다.',
  ],
  [
    'msr.readable',
    'Only listed MSRs can be read by a PV guest; {0:hex} was asked for.',
    'PV 게스트는 목록에 있는 MSR만 읽을 수 있습니다. 요청된 것은 {0:hex}입니다.',
  ],
  [
    'msr.writable',
    'A PV guest may not change MSR {0:hex}; writing the value it has is allowed.',
    'PV 게스트는 MSR {0:hex}을(를) 바꿀 수 없습니다. 현재 값을 그대로 쓰는 것만 허용됩니다.',
  ],
  [
    'msr.hypercall-page',
    'The hypercall page needs a writable frame of the guest; {0:mfn} was given.',
    '하이퍼콜 페이지에는 게스트의 쓰기 가능한 프레임이 필요합니다. 주어진 것은 {0:mfn}입니다.',
  ],
  [
    'debugreg.exists',
    'There is no debug register {0:dec} that a guest could use now.',
    '게스트가 지금 쓸 수 있는 {0:dec}번 디버그 레지스터는 없습니다.',
  ],
  [
    'debugreg.general-detect',
    'DR7.GD must stay clear: a guest may not trap debug-register accesses; the value is {0:hex}.',
    'DR7.GD는 0이어야 합니다. 게스트는 디버그 레지스터 접근을 가로챌 수 없습니다. 값은 {0:hex}입니다.',
  ],
  [
    'debugreg.io-breakpoint',
    'I/O breakpoint {1:dec} in DR7 {0:hex} needs CR4.DE.',
    'DR7 {0:hex}의 I/O 중단점 {1:dec}에는 CR4.DE가 필요합니다.',
  ],
  [
    'callback.command',
    'callback_op knows register (0) and unregister (1), not {0:dec}.',
    'callback_op에는 등록(0)과 해제(1)만 있고 {0:dec}은(는) 없습니다.',
  ],
  [
    'callback.readable',
    'The structure at {0:vaddr} must be readable.',
    '{0:vaddr}의 구조체를 읽을 수 있어야 합니다.',
  ],
  [
    'callback.type',
    'A 32-bit guest cannot have a callback of type {0:dec}.',
    '32비트 게스트는 {0:dec}번 종류의 콜백을 가질 수 없습니다.',
  ],
  [
    'callback.removable',
    'Only the NMI callback can be unregistered, not type {0:dec}.',
    'NMI 콜백만 해제할 수 있고 {0:dec}번 종류는 해제할 수 없습니다.',
  ],
  [
    'nmi.command',
    'nmi_op knows register (0) and unregister (1); {0:dec} was asked for.',
    'nmi_op에는 등록(0)과 해제(1)가 있습니다. 요청된 것은 {0:dec}입니다.',
  ],
  [
    'multicall.not-nested',
    'A multicall may not stand inside another one.',
    '멀티콜 안에 또 멀티콜을 둘 수 없습니다.',
  ],
  [
    'multicall.list-readable',
    'Entry {1:dec} of the multicall list at {0:vaddr} must be readable.',
    '{0:vaddr}에 있는 멀티콜 목록의 {1:dec}번 항목을 읽을 수 있어야 합니다.',
  ],
  [
    'multicall.result-writable',
    'The result of entry {1:dec} must be written to the list at {0:vaddr}.',
    '{1:dec}번 항목의 결과를 {0:vaddr}의 목록에 쓸 수 있어야 합니다.',
  ],
  [
    'console.privilege',
    "An ordinary domain may only write to Xen's console; it asked for command {0:dec}.",
    '일반 도메인은 Xen 콘솔에 쓰기만 할 수 있습니다. 요청한 명령은 {0:dec}입니다.',
  ],
  [
    'console.command',
    'console_io knows write (0) and read (1); {0:dec} was asked for.',
    'console_io에는 쓰기(0)와 읽기(1)가 있습니다. 요청된 것은 {0:dec}입니다.',
  ],
  [
    'console.buffer-writable',
    'Input can be read only into memory of the caller that can be written: not at {0:hex}.',
    '입력은 호출한 도메인이 쓸 수 있는 메모리로만 읽을 수 있습니다: {0:hex}은(는) 아닙니다.',
  ],
  [
    'console.read-size',
    'At most 2147483647 bytes can be read at once; {0:dec} were asked for.',
    '한 번에 2147483647바이트까지 읽을 수 있습니다. 요청은 {0:dec}바이트입니다.',
  ],
  [
    'console.buffer-readable',
    'The text at {0:vaddr} must be readable; {1:dec} bytes are still to be written.',
    '{0:vaddr}의 글을 읽을 수 있어야 합니다. {1:dec}바이트가 남았습니다.',
  ],
  [
    'control.readable',
    'The structure at {0:vaddr} must be readable.',
    '{0:vaddr}의 구조체를 읽을 수 있어야 합니다.',
  ],
  [
    'control.writable',
    'The answer must fit back into the structure at {0:vaddr}, so that page must be writable.',
    '답을 {0:vaddr}의 구조체에 돌려써야 하므로 그 페이지는 쓸 수 있어야 합니다.',
  ],
  [
    'control.version',
    'This interface has version {1:hex}; the structure says {0:hex}.',
    '이 인터페이스의 버전은 {1:hex}이고 구조체에는 {0:hex}라고 적혀 있습니다.',
  ],
  ['control.privilege', 'This call is for a privileged domain.', '이 호출은 특권 도메인만 할 수 있습니다.'],
  ['control.domain', 'Domain {0:domid} must exist.', '도메인 {0:domid}이(가) 있어야 합니다.'],
  [
    'control.command',
    'Command {0:dec} of hypercall {1:dec} does not exist here.',
    '{1:dec}번 하이퍼콜의 {0:dec}번 명령은 여기에 없습니다.',
  ],
  ['call.absent', 'This Xen is built without the call.', '이 Xen에는 이 호출이 들어 있지 않습니다.'],
  [
    'call.unsupported',
    'The feature behind the call is switched off.',
    '이 호출이 쓰는 기능은 꺼져 있습니다.',
  ],
  [
    'call.hvm-only',
    'The call is for domains of the HVM kind; this one is PV.',
    '이 호출은 HVM 도메인을 위한 것입니다. 이 도메인은 PV입니다.',
  ],
  [
    'assist.type',
    'Assists of a 32-bit guest have the numbers 0 to 5; {0:dec} was asked for.',
    '32비트 게스트의 보조 기능 번호는 0에서 5까지입니다. 요청은 {0:dec}입니다.',
  ],
  [
    'assist.command',
    'vm_assist knows enable (0) and disable (1); {0:dec} was asked for.',
    'vm_assist에는 켜기(0)와 끄기(1)가 있습니다. 요청은 {0:dec}입니다.',
  ],
  [
    'physdev.readable',
    'The structure at {0:vaddr} must be readable.',
    '{0:vaddr}의 구조체를 읽을 수 있어야 합니다.',
  ],
  [
    'physdev.iopl',
    'An IOPL is 0 to 3; {0:dec} was asked for.',
    'IOPL은 0에서 3까지입니다. 요청은 {0:dec}입니다.',
  ],
  [
    'physdev.bitmap-size',
    'There are 65536 ports; the bitmap claims {0:dec}.',
    '포트는 65536개입니다. 비트맵은 {0:dec}개라고 합니다.',
  ],
  [
    'physdev.owns-line',
    'The domain owns no interrupt line {0:dec}.',
    '이 도메인에는 인터럽트 선 {0:dec}이(가) 없습니다.',
  ],
  [
    'physdev.command',
    'Command {0:dec} of physdev_op is not for this domain.',
    'physdev_op의 {0:dec}번 명령은 이 도메인이 쓸 수 없습니다.',
  ],
  [
    'version.writable',
    '{1:dec} bytes must be writable at {0:vaddr}.',
    '{0:vaddr}에 {1:dec}바이트를 쓸 수 있어야 합니다.',
  ],
  [
    'version.readable',
    'The structure at {0:vaddr} must be readable.',
    '{0:vaddr}의 구조체를 읽을 수 있어야 합니다.',
  ],
  [
    'version.submap',
    'There is only feature word 0; {0:dec} was asked for.',
    '기능 워드는 0번뿐입니다. 요청은 {0:dec}입니다.',
  ],
  [
    'version.no-argument',
    'The page size is asked for without an argument; {0:hex} was given.',
    '페이지 크기는 인수 없이 묻습니다. 주어진 인수는 {0:hex}입니다.',
  ],
  [
    'version.privilege',
    'Command {0:dec} of xen_version is for a privileged domain.',
    'xen_version의 {0:dec}번 명령은 특권 도메인만 쓸 수 있습니다.',
  ],
  ['version.build-id', 'This Xen carries no build identifier.', '이 Xen에는 빌드 식별자가 없습니다.'],
  [
    'version.room',
    'The answer has {1:dec} bytes; the buffer has room for {0:dec}.',
    '답은 {1:dec}바이트인데 버퍼에는 {0:dec}바이트가 들어갑니다.',
  ],
  ['version.command', 'xen_version has no command {0:dec}.', 'xen_version에 {0:dec}번 명령은 없습니다.'],
  [
    'priv.tsd',
    'User code may read the time-stamp counter only while CR4.TSD is clear.',
    '사용자 코드는 CR4.TSD가 0일 때만 타임스탬프 카운터를 읽을 수 있습니다.',
  ],
  [
    'gate.usable',
    'A call gate is open to rings up to its DPL: gate {0:sel} has DPL {1:dec}, the caller is in ring {2:dec}.',
    '콜 게이트는 DPL까지의 특권 링에 열려 있습니다. 게이트 {0:sel}의 DPL은 {1:dec}, 호출자는 특권 링 {2:dec}에 있습니다.',
  ],
  [
    'sysenter.registered',
    'SYSENTER enters the callback the guest registered for it; without one it is #GP(0).',
    'SYSENTER는 게스트가 등록한 콜백으로 들어갑니다. 콜백이 없으면 #GP(0)입니다.',
  ],
  [
    'nmi.handler',
    'An NMI needs a handler in slot 2 of the trap table; without one it is lost.',
    'NMI에는 트랩 테이블 2번 칸의 핸들러가 필요합니다. 핸들러가 없으면 사라집니다.',
  ],
  [
    'msr.early',
    'No handler for #GP is registered yet, so that reading MSR {0:hex} must not fault: it reads as 0.',
    '#GP 핸들러가 아직 없으므로 MSR {0:hex} 읽기가 예외가 되어서는 안 됩니다. 0으로 읽힙니다.',
  ],
  [
    'physdev.writable',
    'The answer must fit back into the structure at {0:vaddr}.',
    '답을 {0:vaddr}의 구조체에 돌려쓸 수 있어야 합니다.',
  ],
  [
    'physdev.bitmap-place',
    'The bitmap of 8 KiB at {0:vaddr} must lie below the hypervisor.',
    '{0:vaddr}의 8 KiB 비트맵은 하이퍼바이저 아래에 있어야 합니다.',
  ],
  ['physdev.device', 'There is no PCI device to be named.', '지정할 PCI 장치가 없습니다.'],
  [
    'call.trace-event',
    'A trace event of a guest, here {0:hex}, names no class and brings at most 28 bytes, here {1:dec}.',
    '게스트의 추적 이벤트(여기서는 {0:hex})는 분류를 지정하지 않고 28바이트까지만 담습니다(여기서는 {1:dec}).',
  ],
  [
    'call.buffers',
    'The call takes at most two buffers, not {0:dec}.',
    '이 호출은 버퍼를 두 개까지 받습니다. {0:dec}개가 아닙니다.',
  ],
] as const satisfies readonly Sentence[];

export const ACTS_TRAPS = [
  [
    'hypercall.continue',
    'Hypercall {0:dec} goes back to its INT 0x82 with the rest of its work.',
    '{0:dec}번 하이퍼콜이 남은 일을 가지고 INT 0x82로 돌아갑니다.',
  ],
  [
    'traps.install',
    '{0:dec} trap-table slots were filled, from vector {1:dec} to vector {2:dec}.',
    '트랩 테이블 {0:dec}칸을 채웠습니다. 벡터 {1:dec}부터 {2:dec}까지입니다.',
  ],
  ['traps.erase', 'The trap table was emptied.', '트랩 테이블을 비웠습니다.'],
  [
    'stack.switch',
    'The kernel stack for entries from user mode is {0:sel}:{1:vaddr}.',
    '사용자 모드에서 들어올 때의 커널 스택은 {0:sel}:{1:vaddr}입니다.',
  ],
  [
    'int80.direct',
    'INT 0x80 now leads straight to {0:sel}:{1:vaddr}; Xen will not see it.',
    '이제 INT 0x80은 {0:sel}:{1:vaddr}(으)로 바로 갑니다. Xen은 보지 못합니다.',
  ],
  ['int80.through-xen', 'INT 0x80 now leads to Xen first.', '이제 INT 0x80은 먼저 Xen으로 갑니다.'],
  [
    'callbacks.set',
    'Events enter at {0:sel}:{1:vaddr}, failures at {2:sel}:{3:vaddr}.',
    '이벤트는 {0:sel}:{1:vaddr}(으)로, 실패는 {2:sel}:{3:vaddr}(으)로 들어갑니다.',
  ],
  [
    'callback.register',
    'Callback {0:dec} enters at {1:sel}:{2:vaddr}.',
    '콜백 {0:dec}은(는) {1:sel}:{2:vaddr}(으)로 들어갑니다.',
  ],
  ['callback.unregister', 'Callback {0:dec} was removed.', '콜백 {0:dec}을(를) 없앴습니다.'],
  [
    'failsafe.enter',
    'A segment register could not be reloaded: the failsafe callback at {0:vaddr} takes over, its frame at {1:vaddr}.',
    '세그먼트 레지스터를 다시 적재하지 못해 {0:vaddr}의 비상 콜백이 이어받습니다. 프레임은 {1:vaddr}에 있습니다.',
  ],
  [
    'iret.return',
    'The frame leads to {0:sel}:{1:vaddr} with EFLAGS {2:hex}, stack {3:sel}:{4:vaddr}.',
    '프레임은 EFLAGS {2:hex}, 스택 {3:sel}:{4:vaddr}(으)로 {0:sel}:{1:vaddr}에 이어집니다.',
  ],
  ['fpu.taskswitch', 'The virtual TS flag is {0:dec}.', '가상 TS 플래그는 {0:dec}입니다.'],
  ['debugreg.set', 'Debug register {0:dec} holds {1:hex}.', '디버그 레지스터 {0:dec}의 값은 {1:hex}입니다.'],
  ['assist.enable', 'Assist {0:dec} is on.', '보조 기능 {0:dec}을(를) 켰습니다.'],
  ['assist.disable', 'Assist {0:dec} is off.', '보조 기능 {0:dec}을(를) 껐습니다.'],
  ['physdev.set-iopl', 'The virtual IOPL is {0:dec}.', '가상 IOPL은 {0:dec}입니다.'],
  [
    'physdev.set-bitmap',
    'The I/O bitmap for {1:dec} ports lies at {0:vaddr}.',
    '포트 {1:dec}개의 I/O 비트맵은 {0:vaddr}에 있습니다.',
  ],
  [
    'sysenter.enter',
    'SYSENTER enters the guest at {0:sel}:{1:vaddr}, its frame at {2:vaddr}.',
    'SYSENTER가 {0:sel}:{1:vaddr}에서 게스트로 들어갑니다. 프레임은 {2:vaddr}에 있습니다.',
  ],
] as const satisfies readonly Sentence[];
