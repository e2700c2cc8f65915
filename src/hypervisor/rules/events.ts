// Rules (decisions with an outcome) and actions of this part of the hypervisor. Order is the number in the record: append only.
import type { Sentence } from './types.ts';

export const RULES_EVENTS = [
  [
    'event.argument-readable',
    "The structure at {0:vaddr} ({1:dec} bytes) must be readable through the guest's page tables.",
    '{0:vaddr}의 구조체({1:dec}바이트)는 게스트의 페이지 테이블로 읽을 수 있어야 합니다.',
  ],
  [
    'event.argument-writable',
    'The answer must fit back into the structure at {0:vaddr} ({1:dec} bytes), so that page must be writable.',
    '답을 {0:vaddr}의 구조체({1:dec}바이트)에 돌려써야 하므로 그 페이지는 쓸 수 있어야 합니다.',
  ],
  [
    'event.operation-known',
    'Event channel operation {0:dec} must be one that Xen has.',
    '이벤트 채널 연산 {0:dec}은(는) Xen에 있는 것이어야 합니다.',
  ],
  [
    'event.two-level-only',
    'Operation {0:dec} belongs to the FIFO interface; this Xen has the two-level interface only.',
    '연산 {0:dec}은(는) FIFO 인터페이스의 것이고, 이 Xen에는 2단계 인터페이스만 있습니다.',
  ],
  ['event.domain-exists', 'Domain {0:domid} must exist.', '도메인 {0:domid}이(가) 있어야 합니다.'],
  [
    'event.own-domain',
    'Domain {1:domid} may act on the ports of domain {0:domid} only if it is its own or it is privileged.',
    '도메인 {1:domid}은(는) 자기 것이거나 특권이 있을 때만 도메인 {0:domid}의 포트를 다룰 수 있습니다.',
  ],
  [
    'event.port-exists',
    'Port {0:port} must lie inside the port table, which has {1:dec} ports.',
    '포트 {0:port}은(는) {1:dec}개짜리 포트 표 안에 있어야 합니다.',
  ],
  [
    'event.port-left',
    'A domain has at most 1024 ports; {0:dec} exist and a new one is wanted.',
    '도메인의 포트는 1024개까지입니다. {0:dec}개가 있고 새 포트가 필요합니다.',
  ],
  [
    'event.table-memory',
    'To grow the port table beyond {0:dec} ports Xen needs a frame within what this domain may make it use.',
    '포트 표를 {0:dec}개 너머로 키우려면 이 도메인 몫 안에서 Xen의 프레임이 하나 필요합니다.',
  ],
  [
    'event.offered-to-caller',
    'Port {0:port} of domain {1:domid} must be unbound and offered to domain {2:domid}.',
    '도메인 {1:domid}의 포트 {0:port}은(는) 묶이지 않은 채 도메인 {2:domid}에게 내어 준 것이어야 합니다.',
  ],
  [
    'event.virq-exists',
    'VIRQ {0:dec} must be below {1:dec}.',
    'VIRQ {0:dec}은(는) {1:dec}보다 작아야 합니다.',
  ],
  [
    'event.global-virq-on-vcpu0',
    'VIRQ {0:dec} exists once for the domain, so it is bound on vCPU 0, not on {1:dec}.',
    'VIRQ {0:dec}은(는) 도메인에 하나뿐이므로 vCPU {1:dec}이(가) 아니라 vCPU 0에 묶어야 합니다.',
  ],
  [
    'event.vcpu-exists',
    'vCPU {0:dec} must exist in this domain.',
    '이 도메인에 vCPU {0:dec}이(가) 있어야 합니다.',
  ],
  [
    'event.virq-unbound',
    'VIRQ {0:dec} may be bound to one port only (now {1:port}, 0 = none).',
    'VIRQ {0:dec}은(는) 한 포트에만 묶을 수 있습니다(지금 {1:port}, 0 = 없음).',
  ],
  [
    'event.port-in-use',
    'Port {0:port} must be in use to be closed.',
    '닫으려면 포트 {0:port}이(가) 쓰이고 있어야 합니다.',
  ],
  [
    'event.sendable',
    'Port {0:port} must be an interdomain, unbound or IPI port to be signalled by its owner.',
    '주인이 신호를 보내려면 포트 {0:port}은(는) 도메인 간, 미결합 또는 IPI 포트여야 합니다.',
  ],
  [
    'event.movable',
    'The notifications of port {0:port} may move to another vCPU only if it is an unbound or interdomain port or a global VIRQ.',
    '포트 {0:port}의 알림은 미결합·도메인 간 포트나 전역 VIRQ일 때만 다른 vCPU로 옮길 수 있습니다.',
  ],
  [
    'event.pirq-exists',
    'Physical interrupt {0:dec} must be below {1:dec}.',
    '물리 인터럽트 {0:dec}은(는) {1:dec}보다 작아야 합니다.',
  ],
  [
    'event.pirq-permitted',
    'Physical interrupt {0:dec} must have been given to this domain; this machine gives none away.',
    '물리 인터럽트 {0:dec}은(는) 이 도메인에 주어진 것이어야 합니다. 이 기계는 아무것도 내주지 않습니다.',
  ],
  [
    'event.reset-paused',
    'Ports of another domain ({0:domid}) may be reset only while its controller holds it paused.',
    '다른 도메인({0:domid})의 포트는 관리자가 멈춰 둔 동안에만 초기화할 수 있습니다.',
  ],
  [
    'sched.operation-known',
    'Scheduler operation {0:dec} must be one that Xen has.',
    '스케줄러 연산 {0:dec}은(는) Xen에 있는 것이어야 합니다.',
  ],
  [
    'sched.argument-readable',
    "The structure at {0:vaddr} ({1:dec} bytes) must be readable through the guest's page tables.",
    '{0:vaddr}의 구조체({1:dec}바이트)는 게스트의 페이지 테이블로 읽을 수 있어야 합니다.',
  ],
  [
    'sched.poll-count',
    'A vCPU may poll at most {1:dec} ports at once; it asked for {0:dec}.',
    'vCPU는 한 번에 포트 {1:dec}개까지 기다릴 수 있습니다. {0:dec}개를 요청했습니다.',
  ],
  [
    'sched.poll-list-readable',
    'The list of {1:dec} ports at {0:vaddr} must be readable and lie below the hypervisor.',
    '{0:vaddr}의 포트 {1:dec}개 목록은 읽을 수 있고 하이퍼바이저 아래에 있어야 합니다.',
  ],
  [
    'sched.remote-shutdown-privilege',
    'Only a privileged domain may shut domain {1:domid} down; {0:domid} asks.',
    '특권 도메인만 도메인 {1:domid}을(를) 끌 수 있습니다. 요청자는 {0:domid}입니다.',
  ],
  [
    'sched.watchdog-left',
    'A domain has {0:dec} watchdogs, and all of them are running.',
    '도메인의 감시 타이머는 {0:dec}개이고 모두 돌고 있습니다.',
  ],
  [
    'sched.watchdog-in-use',
    'Watchdog {0:dec} must be running to be changed.',
    '바꾸려면 감시 타이머 {0:dec}이(가) 돌고 있어야 합니다.',
  ],
  [
    'sched.pin-privilege',
    'Only the hardware domain may pin its vCPU; {0:domid} asks.',
    '하드웨어 도메인만 vCPU를 고정할 수 있습니다. 요청자는 {0:domid}입니다.',
  ],
  [
    'sched.pcpu-exists',
    'Physical CPU {0:dec} must exist; this machine has CPU 0.',
    '물리 CPU {0:dec}이(가) 있어야 합니다. 이 기계에는 CPU 0뿐입니다.',
  ],
  [
    'vcpu.operation-known',
    'vCPU operation {0:dec} must be one that this Xen has.',
    'vCPU 연산 {0:dec}은(는) 이 Xen에 있는 것이어야 합니다.',
  ],
  [
    'vcpu.argument-readable',
    "The structure at {0:vaddr} ({1:dec} bytes) must be readable through the guest's page tables.",
    '{0:vaddr}의 구조체({1:dec}바이트)는 게스트의 페이지 테이블로 읽을 수 있어야 합니다.',
  ],
  [
    'vcpu.argument-writable',
    'The place for the answer at {0:vaddr} ({1:dec} bytes) must be writable.',
    '답을 쓸 곳 {0:vaddr}({1:dec}바이트)은(는) 쓸 수 있어야 합니다.',
  ],
  [
    'vcpu.not-initialised-yet',
    'A vCPU can be initialised once only.',
    'vCPU는 한 번만 초기화할 수 있습니다.',
  ],
  [
    'vcpu.initialised',
    'A vCPU must be initialised before it is brought up.',
    'vCPU는 켜기 전에 초기화되어 있어야 합니다.',
  ],
  [
    'vcpu.area-in-guest',
    'The area at {0:vaddr} ({1:dec} bytes) must lie below the hypervisor.',
    '{0:vaddr}의 영역({1:dec}바이트)은 하이퍼바이저 아래에 있어야 합니다.',
  ],
  [
    'timer.period-range',
    'A period must be at least 1 ms and below 2^62 ns; asked for {0:dec} ns (high word {1:dec}).',
    '주기는 1ms 이상 2^62ns 미만이어야 합니다. {0:dec}ns(상위 {1:dec})를 요청했습니다.',
  ],
  [
    'timer.own-singleshot',
    'A vCPU may set and stop only its own one-shot timer.',
    'vCPU는 자기 단발 타이머만 걸고 멈출 수 있습니다.',
  ],
  [
    'timer.in-future',
    'With the flag "future" the time {0:dec} ns (high word {1:dec}) must not have passed.',
    '"future" 플래그가 있으면 시각 {0:dec}ns(상위 {1:dec})이(가) 지나지 않았어야 합니다.',
  ],
  [
    'vcpu.info-fits',
    'vcpu_info ({1:dec} bytes) must fit into its frame at offset {0:dec}, a multiple of 4.',
    'vcpu_info({1:dec}바이트)는 프레임의 오프셋 {0:dec}에 들어맞고 4의 배수여야 합니다.',
  ],
  [
    'vcpu.info-once',
    'vcpu_info may be moved once; it must not lie in a frame of the guest yet ({0:mfn}).',
    'vcpu_info는 한 번만 옮길 수 있고 아직 게스트의 프레임({0:mfn})에 있지 않아야 합니다.',
  ],
  [
    'vcpu.info-frame',
    'Frame {0:mfn} must belong to the guest and be fit for writing to take its vcpu_info.',
    '프레임 {0:mfn}은(는) 게스트 소유이고 쓸 수 있어야 vcpu_info를 둘 수 있습니다.',
  ],
  [
    'vcpu.no-argument',
    'This operation takes no argument; {0:vaddr} was given.',
    '이 연산은 인자를 받지 않습니다. {0:vaddr}이(가) 주어졌습니다.',
  ],
  [
    'vcpu.pinned',
    'The physical CPU of a vCPU is told only if the vCPU is pinned to it.',
    '물리 CPU는 vCPU가 거기에 고정된 경우에만 알려 줍니다.',
  ],
  [
    'console.page',
    'Frame {1:mfn} must still belong to domain {0:domid} and be fit for writing to serve as its console page.',
    '프레임 {1:mfn}은(는) 여전히 도메인 {0:domid}의 것이고 쓸 수 있어야 콘솔 페이지가 됩니다.',
  ],
  [
    'console.ring-indices',
    'The console ring of domain {0:domid} must hold no more than its size: out {1:dec} to {2:dec}, in {3:dec} to {4:dec}.',
    '도메인 {0:domid}의 콘솔 링 버퍼에는 크기 이하만 들어 있어야 합니다: out {1:dec}~{2:dec}, in {3:dec}~{4:dec}.',
  ],
  [
    'grant.argument-readable',
    "The structure at {0:vaddr} ({1:dec} bytes) must be readable through the guest's page tables.",
    '{0:vaddr}의 구조체({1:dec}바이트)는 게스트의 페이지 테이블로 읽을 수 있어야 합니다.',
  ],
  [
    'grant.argument-writable',
    'The place for the answer at {0:vaddr} ({1:dec} bytes) must be writable and lie below the hypervisor.',
    '답을 쓸 곳 {0:vaddr}({1:dec}바이트)은(는) 쓸 수 있고 하이퍼바이저 아래에 있어야 합니다.',
  ],
  [
    'grant.operation-known',
    'Grant table operation {0:dec} must be one that this Xen has.',
    '그랜트 테이블 연산 {0:dec}은(는) 이 Xen에 있는 것이어야 합니다.',
  ],
  [
    'grant.count',
    'The number of elements ({0:dec}) must be below 2^31.',
    '원소의 수({0:dec})는 2^31보다 작아야 합니다.',
  ],
  [
    'grant.no-progress-bits',
    'The upper bits of command {0:hex} must be zero: only cache_flush keeps its progress there.',
    '명령 {0:hex}의 윗비트는 0이어야 합니다. 진행 상황을 거기에 두는 것은 cache_flush뿐입니다.',
  ],
  [
    'grant.caches-coherent',
    'Caches of this machine are coherent, so there is no cache_flush.',
    '이 기계의 캐시는 일관되므로 cache_flush가 없습니다.',
  ],
  [
    'grant.single',
    'This operation takes exactly one structure, not {0:dec}.',
    '이 연산은 구조체를 {0:dec}개가 아니라 꼭 하나만 받습니다.',
  ],
  [
    'grant.domain-exists',
    'The granting domain {0:domid} must exist.',
    '그랜트를 준 도메인 {0:domid}이(가) 있어야 합니다.',
  ],
  [
    'grant.own-table',
    'Domain {1:domid} may look at the grant table of domain {0:domid} only if it is its own or it is privileged.',
    '도메인 {1:domid}은(는) 자기 것이거나 특권이 있을 때만 도메인 {0:domid}의 그랜트 테이블을 볼 수 있습니다.',
  ],
  [
    'grant.table-limit',
    'A grant table may have at most {1:dec} frames; {0:dec} are wanted.',
    '그랜트 테이블은 {1:dec}프레임까지입니다. {0:dec}프레임을 요청했습니다.',
  ],
  [
    'grant.table-memory',
    'To grow the grant table to {0:dec} frames Xen needs frames within what this domain may make it use.',
    '그랜트 테이블을 {0:dec}프레임으로 키우려면 이 도메인 몫 안에서 Xen의 프레임이 필요합니다.',
  ],
  ['grant.version-exists', 'Version {0:dec} must be 1 or 2.', '버전 {0:dec}은(는) 1이나 2여야 합니다.'],
  [
    'grant.version-1-only',
    'This Xen is built for grant tables of version 1; version {0:dec} is wanted.',
    '이 Xen은 그랜트 테이블 버전 1만 압니다. 버전 {0:dec}을(를) 요청했습니다.',
  ],
  [
    'grant.status-frames',
    'Version 1 has no status frames; {0:dec} are wanted.',
    '버전 1에는 상태 프레임이 없습니다. {0:dec}개를 요청했습니다.',
  ],
  [
    'grant.map-kind',
    'A mapping must be for the CPU or for devices; the flags {0:hex} ask for neither.',
    '매핑은 CPU용이거나 장치용이어야 합니다. 플래그 {0:hex}에는 둘 다 없습니다.',
  ],
  [
    'grant.handle-left',
    'To remember one more mapping than {0:dec} Xen needs a frame within what this domain may make it use.',
    '매핑 {0:dec}개보다 하나 더 기억하려면 이 도메인 몫 안에서 Xen의 프레임이 필요합니다.',
  ],
  [
    'grant.reference-exists',
    'Grant reference {0:gref} must lie inside the table of domain {2:domid}, which has {1:dec} entries.',
    '그랜트 참조 {0:gref}은(는) {1:dec}개짜리 도메인 {2:domid}의 테이블 안에 있어야 합니다.',
  ],
  [
    'grant.one-user',
    'Grant {0:gref} is in use by domain {1:domid}; domain {2:domid} must be the same one to use it too.',
    '그랜트 {0:gref}은(는) 도메인 {1:domid}이(가) 쓰고 있습니다. 도메인 {2:domid}이(가) 같은 도메인이어야 함께 쓸 수 있습니다.',
  ],
  [
    'grant.pin-count',
    'Grant {0:gref} must not be in use more often than Xen can count ({1:hex}).',
    '그랜트 {0:gref}은(는) Xen이 셀 수 있는 것보다 많이 쓰여서는 안 됩니다({1:hex}).',
  ],
  [
    'grant.entry-permits',
    'Grant {0:gref} must permit access (flags {1:hex}) to the domain that asks: it names {2:domid}, domain {3:domid} asks.',
    '그랜트 {0:gref}은(는) 요청한 도메인에 접근을 허락해야 합니다(플래그 {1:hex}). 적힌 도메인은 {2:domid}, 요청한 도메인은 {3:domid}입니다.',
  ],
  [
    'grant.entry-writable',
    'Grant {0:gref} is read-only (flags {1:hex}), so it may not be used for writing.',
    '그랜트 {0:gref}은(는) 읽기 전용이므로(플래그 {1:hex}) 쓰기에 쓸 수 없습니다.',
  ],
  [
    'grant.frame-of-granter',
    'Frame {0:mfn} must exist and belong to domain {1:domid}.',
    '프레임 {0:mfn}은(는) 실제로 있고 도메인 {1:domid}의 것이어야 합니다.',
  ],
  [
    'grant.frame-writable',
    'Frame {0:mfn} must be free of use as a page table or descriptor page to be used for writing (read-only use: {1:bool}).',
    '프레임 {0:mfn}을(를) 쓰기에 쓰려면 페이지 테이블이나 디스크립터로 쓰이고 있지 않아야 합니다(읽기 전용: {1:bool}).',
  ],
  [
    'grant.pte-aligned',
    'The machine address {0:maddr} of a page-table entry must be a multiple of 8.',
    '페이지 테이블 항목의 기계 주소 {0:maddr}은(는) 8의 배수여야 합니다.',
  ],
  [
    'grant.address-32',
    'The address {0:vaddr} (high word {1:hex}) must fit in 32 bits.',
    '주소 {0:vaddr}(상위 {1:hex})은(는) 32비트에 들어가야 합니다.',
  ],
  [
    'grant.slot-in-l1',
    'The entry for {0:vaddr} must lie in a page table of level 1 that the caller has in use.',
    '{0:vaddr}의 항목은 호출자가 쓰고 있는 1단계 페이지 테이블에 있어야 합니다.',
  ],
  [
    'grant.slot-shows-frame',
    'The entry for {0:vaddr} must still show the granted frame {2:mfn} with the rights of the mapping; it shows {1:mfn}.',
    '{0:vaddr}의 항목은 여전히 그랜트된 프레임 {2:mfn}을(를) 매핑한 권한대로 보여야 합니다. 지금은 {1:mfn}입니다.',
  ],
  [
    'grant.replace-by-address',
    'Only a mapping made by linear address can be replaced by another ({0:maddr} names an entry).',
    '선형 주소로 만든 매핑만 다른 것으로 바꿀 수 있습니다({0:maddr}은(는) 항목을 가리킴).',
  ],
  [
    'grant.handle-in-use',
    'Handle {0:dec} must be one of a mapping that exists (the table has {1:dec}).',
    '핸들 {0:dec}은(는) 있는 매핑의 것이어야 합니다(표에는 {1:dec}개).',
  ],
  [
    'grant.device-address',
    'The device address {0:maddr} must be that of the granted frame, {1:maddr}.',
    '장치 주소 {0:maddr}은(는) 그랜트된 프레임의 주소 {1:maddr}여야 합니다.',
  ],
  [
    'grant.copy-own-frame',
    "A frame named by its number must be the caller's own (DOMID_SELF), not of domain {0:domid}.",
    '번호로 가리킨 프레임은 도메인 {0:domid}이(가) 아니라 호출자 자신의 것(DOMID_SELF)이어야 합니다.',
  ],
  [
    'grant.copy-inside-page',
    'A copy of {2:dec} bytes must stay inside both pages: source offset {0:dec}, destination offset {1:dec}.',
    '{2:dec}바이트의 복사는 두 페이지 안에 머물러야 합니다: 원본 오프셋 {0:dec}, 대상 오프셋 {1:dec}.',
  ],
  [
    'grant.swap-unused',
    'Grant {0:gref} must not be in use to be exchanged.',
    '바꾸려면 그랜트 {0:gref}이(가) 쓰이고 있지 않아야 합니다.',
  ],
  [
    'grant.transfer-page',
    "Frame {0:mfn} must be the caller's own and used nowhere, to be given away.",
    '넘겨주려면 프레임 {0:mfn}은(는) 호출자의 것이고 아무 데도 쓰이지 않아야 합니다.',
  ],
  [
    'grant.transfer-room',
    'Domain {0:domid} must be alive and have room in its reservation ({1:dec} of {2:dec} pages).',
    '도메인 {0:domid}은(는) 살아 있고 예약에 자리가 있어야 합니다({2:dec}쪽 중 {1:dec}).',
  ],
  [
    'grant.transfer-accepted',
    'Grant {0:gref} of domain {1:domid} must accept a transfer from domain {3:domid} (flags {2:hex}).',
    '도메인 {1:domid}의 그랜트 {0:gref}은(는) 도메인 {3:domid}의 전달을 받아들여야 합니다(플래그 {2:hex}).',
  ],
  [
    'grant.reference-count',
    'A page-table entry for frame {0:mfn} must be able to hold its own references on it.',
    '프레임 {0:mfn}의 페이지 테이블 항목은 그 프레임에 대한 자기 참조를 가질 수 있어야 합니다.',
  ],
  [
    'grant.list-writable',
    'The list for the frame numbers at {0:vaddr} ({1:dec} bytes) must be writable; the table has grown all the same.',
    '프레임 번호를 받을 목록 {0:vaddr}({1:dec}바이트)에 쓸 수 있어야 합니다. 테이블은 그래도 커졌습니다.',
  ],
  [
    'event.reset-begun',
    'A reset of the ports of domain {0:domid} must have begun for it to be gone on with.',
    '도메인 {0:domid}의 포트 초기화를 이어서 하려면 초기화가 시작되어 있어야 합니다.',
  ],
  [
    'event.control-fits',
    'A control block ({1:dec} bytes) must fit into its frame at offset {0:dec}, a multiple of 8.',
    '제어 블록({1:dec}바이트)은 프레임의 오프셋 {0:dec}에 들어맞고 8의 배수여야 합니다.',
  ],
  [
    'event.control-frame',
    'Frame {0:mfn} must belong to the guest and be fit for writing to take a control block.',
    '프레임 {0:mfn}은(는) 게스트 소유이고 쓸 수 있어야 제어 블록을 둘 수 있습니다.',
  ],
] as const satisfies readonly Sentence[];

export const ACTS_EVENTS = [
  [
    'event.table-grown',
    'The port table now has {0:dec} ports; its new part lies in frame {1:mfn}.',
    '포트 표가 {0:dec}개로 늘었습니다. 새 부분은 프레임 {1:mfn}에 있습니다.',
  ],
  [
    'event.offered',
    'Domain {0:domid} has port {1:port}, which domain {2:domid} may bind.',
    '도메인 {0:domid}의 포트 {1:port}을(를) 도메인 {2:domid}이(가) 묶을 수 있습니다.',
  ],
  [
    'event.connected',
    'Port {1:port} of domain {0:domid} and port {3:port} of domain {2:domid} are the two ends of a channel.',
    '도메인 {0:domid}의 포트 {1:port}와(과) 도메인 {2:domid}의 포트 {3:port}이(가) 한 채널의 두 끝이 되었습니다.',
  ],
  [
    'event.virq-bound',
    'VIRQ {0:dec} of vCPU {1:dec} arrives at port {2:port}.',
    'vCPU {1:dec}의 VIRQ {0:dec}은(는) 포트 {2:port}(으)로 옵니다.',
  ],
  [
    'event.ipi-bound',
    'Port {1:port} signals vCPU {0:dec} of its own domain.',
    '포트 {1:port}은(는) 같은 도메인의 vCPU {0:dec}에 신호합니다.',
  ],
  [
    'event.closed',
    'Domain {0:domid} has closed port {1:port}.',
    '도메인 {0:domid}이(가) 포트 {1:port}을(를) 닫았습니다.',
  ],
  [
    'event.dropped',
    'Port {0:port} has no other end yet (domain {1:domid} may bind it): the signal is dropped.',
    '포트 {0:port}에는 아직 상대가 없습니다(도메인 {1:domid}이(가) 묶을 수 있음). 신호는 버려집니다.',
  ],
  [
    'event.moved',
    'Port {0:port} now notifies vCPU {1:dec}.',
    '포트 {0:port}은(는) 이제 vCPU {1:dec}에 알립니다.',
  ],
  [
    'event.unmasked',
    'The mask bit of port {0:port} is cleared; an event that waited behind it is delivered now.',
    '포트 {0:port}의 마스크 비트를 지웁니다. 그 뒤에서 기다리던 이벤트는 지금 전달됩니다.',
  ],
  ['event.reset', 'All ports of domain {0:domid} are closed.', '도메인 {0:domid}의 모든 포트를 닫습니다.'],
  [
    'sched.yield',
    'The vCPU gives the rest of its slice away and joins the run queue at its tail.',
    'vCPU가 남은 시간을 내놓고 실행 대기열의 끝에 섭니다.',
  ],
  [
    'sched.block',
    'The event mask is opened; the vCPU sleeps unless an event waits already ({0:bool}).',
    '이벤트 마스크를 열고, 기다리는 이벤트가 이미 있지({0:bool}) 않으면 vCPU가 잠듭니다.',
  ],
  [
    'sched.poll',
    'The vCPU waits for one of {0:dec} ports; one is pending already: {1:bool}.',
    'vCPU가 포트 {0:dec}개 중 하나를 기다립니다. 이미 대기 중인 것: {1:bool}.',
  ],
  [
    'sched.watchdog',
    'Watchdog {0:dec} is set to {1:dec} seconds (0 = stopped).',
    '감시 타이머 {0:dec}을(를) {1:dec}초로 맞춥니다(0 = 멈춤).',
  ],
  [
    'timer.armed',
    'The one-shot timer fires at tick {0:dec} (high word {1:dec}).',
    '단발 타이머가 틱 {0:dec}(상위 {1:dec})에 울립니다.',
  ],
  ['timer.stopped', 'The one-shot timer is stopped.', '단발 타이머를 멈춥니다.'],
  [
    'timer.periodic',
    'The periodic timer ticks every {0:dec} ns (high word {1:dec}; 0 = stopped).',
    '주기 타이머가 {0:dec}ns마다 울립니다(상위 {1:dec}, 0 = 멈춤).',
  ],
  [
    'vcpu.runstate-area',
    'Run-state information is kept up to date at {0:vaddr}.',
    '실행 상태 정보를 {0:vaddr}에 갱신해 둡니다.',
  ],
  [
    'vcpu.time-area',
    'A second copy of the time information is kept at {0:vaddr}.',
    '시간 정보의 사본을 {0:vaddr}에 둡니다.',
  ],
  [
    'vcpu.info-moved',
    'vcpu_info now lies in frame {0:mfn} at offset {1:dec}; everything is marked pending so that nothing is lost.',
    'vcpu_info가 프레임 {0:mfn}의 오프셋 {1:dec}(으)로 옮겨졌습니다. 잃는 것이 없도록 모두 대기 중으로 표시합니다.',
  ],
  [
    'grant.mapped',
    'Grant {0:gref} of domain {1:domid} is mapped: frame {2:mfn} at {4:vaddr}, handle {3:dec}, read-only: {5:bool}.',
    '도메인 {1:domid}의 그랜트 {0:gref}을(를) 매핑합니다: 프레임 {2:mfn}, 주소 {4:vaddr}, 핸들 {3:dec}, 읽기 전용: {5:bool}.',
  ],
  [
    'grant.unmapped',
    'The mapping of grant {0:gref} of domain {1:domid}, frame {2:mfn}, handle {3:dec}, is gone.',
    '도메인 {1:domid}의 그랜트 {0:gref}(프레임 {2:mfn}, 핸들 {3:dec})의 매핑을 없앱니다.',
  ],
  [
    'grant.copied',
    '{4:dec} bytes are copied from frame {1:mfn} of domain {0:domid} to frame {3:mfn} of domain {2:domid}.',
    '도메인 {0:domid}의 프레임 {1:mfn}에서 도메인 {2:domid}의 프레임 {3:mfn}(으)로 {4:dec}바이트를 복사합니다.',
  ],
  [
    'grant.table-shown',
    'The grant table of domain {0:domid} has {1:dec} frames for the asker, the first is {2:mfn}.',
    '도메인 {0:domid}의 그랜트 테이블 {1:dec}프레임을 알려 줍니다. 첫째는 {2:mfn}입니다.',
  ],
  [
    'grant.swapped',
    'Grant entries {0:gref} and {1:gref} change places.',
    '그랜트 항목 {0:gref}와(과) {1:gref}의 자리를 바꿉니다.',
  ],
  [
    'grant.transferred',
    'Frame {0:mfn} now belongs to domain {1:domid}, by its grant {2:gref}.',
    '프레임 {0:mfn}은(는) 그랜트 {2:gref}을(를) 통해 이제 도메인 {1:domid}의 것입니다.',
  ],
] as const satisfies readonly Sentence[];
