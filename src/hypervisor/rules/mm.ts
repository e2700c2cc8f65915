// Rules (decisions with an outcome) and actions of this part of the hypervisor. Order is the number in the record: append only.
import type { Sentence } from './types.ts';

export const RULES_MM = [
  [
    'page.type-count',
    'Frame {0:mfn} has {1:dec} uses of its type already: no more fit the counter.',
    '프레임 {0:mfn}의 타입 사용 수가 이미 {1:dec}입니다: 더 셀 수 없습니다.',
  ],
  [
    'pte.flags',
    'The entry {1:hex} {0:hex} asks for cache attributes or a bit that a guest may not set.',
    '엔트리 {1:hex} {0:hex}은(는) 게스트가 쓸 수 없는 캐시 속성이나 비트를 요청합니다.',
  ],
  [
    'pte.reserved-bits',
    'The entry {1:hex} {0:hex} names an address beyond the machine’s memory.',
    '엔트리 {1:hex} {0:hex}은(는) 기계 메모리 밖의 주소를 가리킵니다.',
  ],
  [
    'pte.not-ram',
    'Frame {0:mfn} is no memory of this machine.',
    '프레임 {0:mfn}은(는) 이 기계의 메모리가 아닙니다.',
  ],
  [
    'pte.not-owner',
    'Frame {0:mfn} belongs to {1:domid}, not to {2:domid}.',
    '프레임 {0:mfn}은(는) {2:domid}이(가) 아니라 {1:domid}의 것입니다.',
  ],
  [
    'pte.writable-of-typed',
    'Frame {0:mfn} is in use as {1:ptype}: no writable mapping of it may exist.',
    '프레임 {0:mfn}은(는) {1:ptype}(으)로 쓰이고 있어 쓰기 가능한 매핑을 둘 수 없습니다.',
  ],
  [
    'pde.superpage',
    'The L2 entry {0:hex} asks for a 2 MiB page: a guest may not have one.',
    'L2 엔트리 {0:hex}은(는) 2 MiB 페이지를 요청합니다: 게스트에게는 허용되지 않습니다.',
  ],
  [
    'pde.flags',
    'The L2 entry {1:hex} {0:hex} sets a bit that a guest may not set.',
    'L2 엔트리 {1:hex} {0:hex}에 게스트가 쓸 수 없는 비트가 있습니다.',
  ],
  [
    'pde.not-owner',
    'Frame {0:mfn} is not {1:domid}’s, so it cannot be its page table.',
    '프레임 {0:mfn}은(는) {1:domid}의 것이 아니므로 그 페이지 테이블이 될 수 없습니다.',
  ],
  [
    'pde.not-l1',
    'Frame {0:mfn} cannot become a level-1 table: it is in use as {1:ptype}, or its entries are refused.',
    '프레임 {0:mfn}은(는) 1단계 테이블이 될 수 없습니다: {1:ptype}(으)로 쓰이고 있거나 엔트리가 거절되었습니다.',
  ],
  [
    'pdpte.flags',
    'The L3 entry {1:hex} {0:hex} sets a bit that a guest may not set.',
    'L3 엔트리 {1:hex} {0:hex}에 게스트가 쓸 수 없는 비트가 있습니다.',
  ],
  [
    'pdpte.not-owner',
    'Frame {0:mfn} is not {1:domid}’s, so it cannot be its page table.',
    '프레임 {0:mfn}은(는) {1:domid}의 것이 아니므로 그 페이지 테이블이 될 수 없습니다.',
  ],
  [
    'pdpte.not-l2',
    'Frame {0:mfn} cannot become the level-2 table of slot {2:dec}: it is in use as {1:ptype}, or its entries are refused.',
    '프레임 {0:mfn}은(는) {2:dec}번 칸의 2단계 테이블이 될 수 없습니다: {1:ptype}(으)로 쓰이고 있거나 엔트리가 거절되었습니다.',
  ],
  [
    'pdpte.slot3-present',
    'Slot 3 of L3 table {0:mfn} is empty: Xen’s own mappings need it.',
    'L3 테이블 {0:mfn}의 3번 칸이 비었습니다: Xen의 매핑에 필요합니다.',
  ],
  [
    'pdpte.slot',
    'Of a live L3 table only slots 0 to 2 may change; this is slot {0:dec}.',
    '사용 중인 L3 테이블은 0번부터 2번 칸만 바꿀 수 있습니다. 이 칸은 {0:dec}번입니다.',
  ],
  [
    'pde.xen-slot',
    'From slot 428 on this level-2 table is Xen’s; the request is for slot {0:dec}.',
    '이 2단계 테이블은 428번 칸부터 Xen의 것입니다. 요청한 칸은 {0:dec}번입니다.',
  ],
  [
    'mmu.foreign-middle',
    'Only level-1 entries may map frames of another domain; these are {0:domid}’s.',
    '1단계 엔트리만 다른 도메인의 프레임을 매핑할 수 있습니다. 이 프레임은 {0:domid}의 것입니다.',
  ],
  [
    'mmu.table-owner',
    'The page table in frame {0:mfn} must be {1:domid}’s.',
    '프레임 {0:mfn}의 페이지 테이블은 {1:domid}의 것이어야 합니다.',
  ],
  [
    'mmu.plain-writable',
    'Frame {0:mfn} ({1:ptype}) is no live table, so it must be writable as plain memory.',
    '프레임 {0:mfn}({1:ptype})은(는) 사용 중인 테이블이 아니므로 일반 메모리로 쓸 수 있어야 합니다.',
  ],
  [
    'multicall.arguments-writable',
    'Entry {1:dec} of the multicall, at {0:vaddr}, must take arguments that describe the rest of a long call.',
    '{0:vaddr}의 멀티콜 {1:dec}번 항목에는 긴 호출의 나머지를 나타내는 인자를 쓸 수 있어야 합니다.',
  ],
  ['mmu.list', 'The list at {0:vaddr} must be readable.', '{0:vaddr}의 목록을 읽을 수 있어야 합니다.'],
  [
    'mmu.pt-domain',
    'The page tables’ domain {0:dec} must exist.',
    '페이지 테이블의 도메인 {0:dec}이(가) 있어야 합니다.',
  ],
  [
    'mmu.foreign-domain',
    'Domain {0:hex} must exist; 0x7ff0 means the caller itself.',
    '도메인 {0:hex}이(가) 있어야 합니다. 0x7ff0은 호출자 자신입니다.',
  ],
  [
    'mmu.privilege',
    'Only a privileged domain may touch the memory of domain {0:hex}; 0x7ff0 means itself.',
    '특권 도메인만 도메인 {0:hex}의 메모리를 다룰 수 있습니다. 0x7ff0은 자신입니다.',
  ],
  [
    'mmu.command',
    'Request type {0:dec} is one of 0 to 3.',
    '요청 종류 {0:dec}은(는) 0부터 3 가운데 하나입니다.',
  ],
  [
    'mmu.address',
    'Machine address {0:maddr} lies in this machine’s memory.',
    '머신 주소 {0:maddr}은(는) 이 기계의 메모리에 있습니다.',
  ],
  [
    'm2p.owner',
    'Frame {0:mfn} must be the domain’s own before its machine-to-physical entry may change.',
    'M2P 엔트리를 바꾸려면 프레임 {0:mfn}이(가) 도메인의 것이어야 합니다.',
  ],
  [
    'va.mapped-l1',
    'A level-1 table must stand behind {0:vaddr}.',
    '{0:vaddr} 뒤에 1단계 테이블이 있어야 합니다.',
  ],
  [
    'va.vcpu-bitmap',
    'The vCPU bitmap named by {0:hex} cannot be read.',
    '{0:hex}이(가) 가리키는 vCPU 비트맵을 읽을 수 없습니다.',
  ],
  [
    'cr3.l3',
    'Frame {0:mfn} must be the caller’s and a valid level-3 table.',
    '프레임 {0:mfn}은(는) 호출자의 것이고 올바른 3단계 테이블이어야 합니다.',
  ],
  ['pin.owner', 'Frame {0:mfn} must be the caller’s own.', '프레임 {0:mfn}은(는) 호출자의 것이어야 합니다.'],
  [
    'pin.type',
    'Frame {0:mfn} cannot be pinned at level {1:dec}: it is {2:ptype}, or its entries are refused.',
    '프레임 {0:mfn}은(는) {1:dec}단계로 고정할 수 없습니다: {2:ptype}이거나 엔트리가 거절되었습니다.',
  ],
  [
    'pin.once',
    'Frame {0:mfn} must not be pinned yet.',
    '프레임 {0:mfn}은(는) 아직 고정되지 않았어야 합니다.',
  ],
  ['unpin.pinned', 'Frame {0:mfn} must be pinned.', '프레임 {0:mfn}은(는) 고정되어 있어야 합니다.'],
  ['mmuext.command', 'Operation {0:dec} exists.', '연산 {0:dec}이(가) 있습니다.'],
  [
    'mmuext.own-only',
    'Operation {0:dec} concerns the caller itself.',
    '연산 {0:dec}은(는) 호출자 자신에 관한 것입니다.',
  ],
  [
    'mmuext.vcpumask',
    'The vCPU mask at {0:vaddr} can be read.',
    '{0:vaddr}의 vCPU 마스크를 읽을 수 있습니다.',
  ],
  [
    'mmuext.page-writable',
    'Frame {0:mfn} is the caller’s and may be written.',
    '프레임 {0:mfn}은(는) 호출자의 것이며 쓸 수 있습니다.',
  ],
  [
    'mmuext.source',
    'Frame {0:mfn} is the caller’s and may be read.',
    '프레임 {0:mfn}은(는) 호출자의 것이며 읽을 수 있습니다.',
  ],
  [
    'mmuext.cache',
    'A domain without devices may not flush caches.',
    '장치가 없는 도메인은 캐시를 비울 수 없습니다.',
  ],
  ['mmuext.64bit', 'Operation {0:dec} is for 64-bit kernels.', '연산 {0:dec}은(는) 64비트 커널용입니다.'],
  [
    'mmuext.superpage',
    'Operation {0:dec} is no longer offered.',
    '연산 {0:dec}은(는) 더는 제공되지 않습니다.',
  ],
  [
    'gdt.entries',
    'A guest’s GDT has at most 7168 entries; {0:dec} asked for.',
    '게스트의 GDT는 7168개까지입니다. 요청은 {0:dec}개입니다.',
  ],
  [
    'gdt.list',
    'The list of frames at {0:vaddr} cannot be read.',
    '{0:vaddr}의 프레임 목록을 읽을 수 없습니다.',
  ],
  [
    'gdt.frame',
    'Frame {0:mfn} can be a descriptor page: it is the caller’s, mapped nowhere writable, its descriptors allowed.',
    '프레임 {0:mfn}은(는) 디스크립터 페이지가 될 수 있습니다: 호출자의 것이고 쓰기 매핑이 없으며 디스크립터가 허용됩니다.',
  ],
  [
    'descriptor.address',
    'A descriptor stands at an 8-byte boundary below 4 GiB; this one at {0:maddr}.',
    '디스크립터는 4 GiB 아래 8바이트 경계에 있어야 합니다. 주소는 {0:maddr}입니다.',
  ],
  [
    'descriptor.allowed',
    'Descriptor {2:dec} ({1:hex} {0:hex}) could lead out of the guest’s rings: refused.',
    '디스크립터 {2:dec}({1:hex} {0:hex})은(는) 게스트의 특권 링 밖으로 이어질 수 있어 거절됩니다.',
  ],
  ['descriptor.owner', 'Frame {0:mfn} is the caller’s own.', '프레임 {0:mfn}은(는) 호출자의 것입니다.'],
  [
    'descriptor.frame-type',
    'Frame {0:mfn} ({1:ptype}) may take a descriptor.',
    '프레임 {0:mfn}({1:ptype})에 디스크립터를 쓸 수 있습니다.',
  ],
  [
    'ldt.shape',
    'An LDT starts at a page and has at most 8192 entries: {0:vaddr}, {1:dec}.',
    'LDT는 페이지에서 시작하고 8192개까지입니다: {0:vaddr}, {1:dec}.',
  ],
  [
    'ldt.page',
    'Page {0:dec} of the LDT, frame {1:mfn}, can be a descriptor page.',
    'LDT의 {0:dec}번 페이지, 프레임 {1:mfn}은(는) 디스크립터 페이지가 될 수 있습니다.',
  ],
  ['memory.argument', 'The argument at {0:vaddr} can be used.', '{0:vaddr}의 인자를 쓸 수 있습니다.'],
  [
    'memory.domain',
    'Domain {0:hex} is the caller (0x7ff0), or one it may manage.',
    '도메인 {0:hex}은(는) 호출자(0x7ff0)이거나 관리할 수 있는 도메인입니다.',
  ],
  [
    'memory.extents',
    '{0:dec} extents from number {1:dec} on are a sane request.',
    '{1:dec}번부터 {0:dec}개의 묶음은 올바른 요청입니다.',
  ],
  [
    'memory.order',
    'Extents of 2^{0:dec} frames are allowed: the limit is 2^{1:dec}.',
    '2^{0:dec} 프레임 묶음은 허용됩니다: 한계는 2^{1:dec}입니다.',
  ],
  ['memory.list', 'The list at {0:vaddr} can be used.', '{0:vaddr}의 목록을 쓸 수 있습니다.'],
  [
    'memory.available',
    'Memory is left: {0:dec} of {1:dec} frames are in use.',
    '메모리가 남아 있습니다: {1:dec}개 중 {0:dec}개 사용.',
  ],
  [
    'memory.owner',
    'Frame {0:mfn} is of the domain’s own reservation.',
    '프레임 {0:mfn}은(는) 도메인 자신의 예약분입니다.',
  ],
  [
    'memory.map-size',
    'A memory map has at most 1024 entries; {0:dec} asked for.',
    '메모리 맵은 1024개 항목까지입니다. 요청은 {0:dec}개입니다.',
  ],
  [
    'memory.exchange-shape',
    'Both sides of the exchange are alike: {0:dec} and {1:dec} extents.',
    '교환의 양쪽이 맞습니다: {0:dec}개와 {1:dec}개.',
  ],
  [
    'memory.exchange-free',
    'Frame {0:mfn} is the caller’s and nobody else refers to it ({1:dec} references).',
    '프레임 {0:mfn}은(는) 호출자의 것이고 다른 참조가 없습니다(참조 {1:dec}개).',
  ],
  [
    'memory.translated-only',
    'Command {0:dec} is for guests whose memory Xen translates.',
    '명령 {0:dec}은(는) Xen이 메모리를 변환해 주는 게스트용입니다.',
  ],
  [
    'memory.privileged',
    'Command {0:dec} needs a privileged domain.',
    '명령 {0:dec}에는 특권 도메인이 필요합니다.',
  ],
  ['memory.command', 'There is no memory command {0:dec}.', '메모리 명령 {0:dec}은(는) 없습니다.'],
  [
    'ptwr.aligned',
    'The store of {1:dec} bytes at {0:vaddr} is aligned.',
    '{0:vaddr}에 {1:dec}바이트를 쓰는 저장은 정렬되어 있습니다.',
  ],
  [
    'page.count',
    'Frame {0:mfn} has {1:dec} references already: no more fit the counter.',
    '프레임 {0:mfn}의 참조가 이미 {1:dec}개입니다: 더 셀 수 없습니다.',
  ],
  [
    'mmu.pt-privilege',
    'Only a privileged domain may change the page tables of {0:domid}.',
    '특권 도메인만 {0:domid}의 페이지 테이블을 바꿀 수 있습니다.',
  ],
  [
    'mmuext.pv-domain',
    'Domain {0:hex} has page tables that Xen checks (0x7ff0 means the caller itself).',
    '도메인 {0:hex}에는 Xen이 검사하는 페이지 테이블이 있습니다(0x7ff0은 호출자 자신).',
  ],
  [
    'cr3.owner',
    'Frame {0:mfn} is not {1:domid}’s, so it cannot run on it.',
    '프레임 {0:mfn}은(는) {1:domid}의 것이 아니므로 그 위에서 실행할 수 없습니다.',
  ],
  [
    'memory.xen-frames',
    'Xen has frames left to keep {0:dec} bytes for the domain.',
    'Xen에 도메인을 위해 {0:dec}바이트를 보관할 프레임이 남아 있습니다.',
  ],
  [
    'memory.flags',
    'The flags {0:hex} ask for nothing that this domain may not ask for.',
    '플래그 {0:hex}은(는) 이 도메인이 요청해도 되는 것만 요청합니다.',
  ],
  [
    'memory.on-demand',
    'A domain may not populate itself on demand, from extent {0:dec} on or any other.',
    '도메인은 {0:dec}번 묶음부터든 어디부터든 자신을 요청 시 채우기로 채울 수 없습니다.',
  ],
  [
    'memory.no-start',
    'Command {0:dec} does not begin at extent {1:dec}: it is done in one piece.',
    '명령 {0:dec}은(는) {1:dec}번 묶음에서 시작하지 않습니다: 한 번에 처리됩니다.',
  ],
  [
    'memory.exchange-orders',
    'Extents of 2^{0:dec} and 2^{1:dec} frames are near enough in size to be exchanged for each other.',
    '2^{0:dec} 프레임 묶음과 2^{1:dec} 프레임 묶음은 서로 바꿀 만큼 크기가 가깝습니다.',
  ],
  [
    'memory.other-domain',
    'Domain {0:domid} is another one than the caller: this is not for oneself.',
    '도메인 {0:domid}은(는) 호출자가 아닌 다른 도메인입니다: 자기 자신에게는 쓸 수 없습니다.',
  ],
  [
    'memory.claim-shape',
    'A claim for domain {0:domid} names no list, no order and no flags, and the domain exists.',
    '도메인 {0:domid}을(를) 위한 예약 요청에는 목록, 차수, 플래그가 없고, 그 도메인이 있습니다.',
  ],
  ['memory.padding', 'The padding, {0:hex}, is zero.', '채움 필드 {0:hex}은(는) 0입니다.'],
  [
    'memory.resource-range',
    '{1:dec} frames of a resource from frame {0:dec} on are counted in 32 bits.',
    '자원의 {0:dec}번 프레임부터 {1:dec}개는 32비트로 셀 수 있습니다.',
  ],
] as const satisfies readonly Sentence[];

export const ACTS_MM = [
  [
    'cr3.load',
    'The vCPU now runs on the tables of frame {0:mfn}.',
    'vCPU가 이제 프레임 {0:mfn}의 테이블로 실행됩니다.',
  ],
  [
    'page.pin',
    'Frame {0:mfn} is pinned as a level-{1:dec} table.',
    '프레임 {0:mfn}을(를) {1:dec}단계 테이블로 고정합니다.',
  ],
  ['page.unpin', 'Frame {0:mfn} is no longer pinned.', '프레임 {0:mfn}의 고정을 풉니다.'],
  [
    'gdt.set',
    'The guest’s GDT has {0:dec} entries now; its first frame is {1:mfn}.',
    '게스트의 GDT는 이제 {0:dec}개이며 첫 프레임은 {1:mfn}입니다.',
  ],
  [
    'descriptor.write',
    'The descriptor at {0:maddr} is now {2:hex} {1:hex}.',
    '{0:maddr}의 디스크립터는 이제 {2:hex} {1:hex}입니다.',
  ],
  [
    'ldt.map',
    'Page {0:dec} of the LDT is frame {1:mfn} from now on.',
    'LDT의 {0:dec}번 페이지는 이제 프레임 {1:mfn}입니다.',
  ],
  ['mmu.updated', '{0:dec} entries written.', '엔트리 {0:dec}개를 썼습니다.'],
  [
    'va.updated',
    '{0:vaddr} now maps frame {1:mfn} with flags {2:hex}.',
    '{0:vaddr}은(는) 이제 플래그 {2:hex}(으)로 프레임 {1:mfn}을(를) 매핑합니다.',
  ],
  [
    'memory.populated',
    '{0:dec} extents of 2^{1:dec} frames added; the domain has {2:dec} frames.',
    '2^{1:dec} 프레임 묶음 {0:dec}개를 더했습니다. 도메인의 프레임은 {2:dec}개입니다.',
  ],
  [
    'memory.decreased',
    '{0:dec} extents of 2^{1:dec} frames given back; the domain has {2:dec} frames.',
    '2^{1:dec} 프레임 묶음 {0:dec}개를 돌려받았습니다. 도메인의 프레임은 {2:dec}개입니다.',
  ],
  [
    'memory.exchanged',
    'Frames from {0:mfn} on were exchanged for {1:mfn} on ({2:dec} frames).',
    '{0:mfn}부터의 프레임을 {1:mfn}부터의 프레임과 바꿨습니다({2:dec}개).',
  ],
  [
    'ptwr.written',
    'The entry at {0:maddr} is now {2:hex} {1:hex}.',
    '{0:maddr}의 엔트리는 이제 {2:hex} {1:hex}입니다.',
  ],
  [
    'mmu.entry',
    'The entry at {0:maddr}, in a frame used as {3:ptype}, is now {2:hex} {1:hex}.',
    '{3:ptype}(으)로 쓰이는 프레임의 {0:maddr} 엔트리는 이제 {2:hex} {1:hex}입니다.',
  ],
  [
    'm2p.set',
    'Frame {0:mfn} now has the pseudo-physical number {1:pfn}.',
    '프레임 {0:mfn}의 유사 물리 번호는 이제 {1:pfn}입니다.',
  ],
  [
    'memory.map-set',
    'The memory map of {0:domid} has {1:dec} entries now.',
    '{0:domid}의 메모리 맵은 이제 {1:dec}개 항목입니다.',
  ],
] as const satisfies readonly Sentence[];
