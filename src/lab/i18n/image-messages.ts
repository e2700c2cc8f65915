// What is wrong with an image, in Korean. An ImageError is one sentence with five parts (hypervisor/image.ts): what, where, expected, found,
// remedy. Each part has its Korean here; a part with a value carries it over. A test walks the sources for parts that are missing.

type Phrase = readonly [english: RegExp, korean: string];

const WHAT: readonly Phrase[] = [
  [/^The file is empty$/, '빈 파일입니다'],
  [/^The file is text$/, '텍스트 파일입니다'],
  [/^The file is too short to be an ELF executable$/, 'ELF 실행 파일로 보기에는 너무 짧습니다'],
  [/^The file is no ELF executable$/, 'ELF 실행 파일이 아닙니다'],
  [/^The kernel is a 64-bit ELF$/, '64비트 ELF 커널입니다'],
  [/^Unknown ELF class$/, '알 수 없는 ELF 클래스입니다'],
  [/^The ELF is not little-endian$/, '리틀 엔디언 ELF가 아닙니다'],
  [/^The kernel is for another processor$/, '다른 프로세서용 커널입니다'],
  [/^The ELF is not linked$/, '링크되지 않은 ELF입니다'],
  [/^The entries of the program header table are too small$/, '프로그램 헤더 테이블의 항목이 너무 작습니다'],
  [/^The program header table runs past the end of the file$/, '프로그램 헤더 테이블이 파일 끝을 넘습니다'],
  [/^A loadable segment runs past the end of the file$/, '적재할 세그먼트가 파일 끝을 넘습니다'],
  [
    /^A loadable segment is smaller in memory than in the file$/,
    '적재할 세그먼트의 메모리 크기가 파일 안의 크기보다 작습니다',
  ],
  [/^A loadable segment ends above 4 GiB$/, '적재할 세그먼트가 4GiB를 넘습니다'],
  [
    /^The number of Xen note (\d+) is cut off by the end of the file$/,
    'Xen 노트 $1번의 값이 파일 끝에서 잘렸습니다',
  ],
  [/^(\S+) in section __xen_guest is no number$/, '__xen_guest 섹션의 $1 값이 숫자가 아닙니다'],
  [/^The kernel has no Xen notes$/, '커널에 Xen 노트가 없습니다'],
  [/^The kernel starts as a PVH guest only$/, 'PVH 게스트로만 시작하는 커널입니다'],
  [
    /^The kernel does not say that the generic loader may load it$/,
    '일반 로더로 적재해도 된다는 노트가 커널에 없습니다',
  ],
  [/^The kernel asks for another hypervisor interface$/, '커널이 다른 하이퍼바이저 인터페이스를 요구합니다'],
  [/^The kernel uses page tables without PAE$/, '커널이 PAE 없는 페이지 테이블을 씁니다'],
  [/^The kernel requires the feature (\S+)$/, '커널이 $1 기능을 반드시 요구합니다'],
  [/^The kernel has nothing to load$/, '커널에 적재할 것이 없습니다'],
  [/^A segment does not fit below the hypervisor$/, '세그먼트가 하이퍼바이저 아래에 들어가지 않습니다'],
  [
    /^The symbol table behind the kernel does not fit below the hypervisor$/,
    '커널 뒤의 심벌 테이블이 하이퍼바이저 아래에 들어가지 않습니다',
  ],
  [/^The kernel begins below VIRT_BASE$/, '커널이 VIRT_BASE보다 아래에서 시작합니다'],
  [/^The kernel does not begin on a page$/, '커널이 페이지 경계에서 시작하지 않습니다'],
  [/^The entry point lies outside the kernel$/, '진입점이 커널 밖에 있습니다'],
  [/^The hypercall page is at an impossible place$/, '하이퍼콜 페이지가 있을 수 없는 곳에 있습니다'],
  [/^The kernel gives PADDR_OFFSET without VIRT_BASE$/, 'VIRT_BASE 없이 PADDR_OFFSET만 있습니다'],
  [
    /^The kernel wants the hypervisor to begin higher$/,
    '하이퍼바이저가 더 높은 곳에서 시작하기를 커널이 요구합니다',
  ],
  [/^VIRT_BASE is not the start of a page$/, 'VIRT_BASE가 페이지의 시작이 아닙니다'],
  [
    /^The kernel and its tables reach into the hypervisor$/,
    '커널과 그 테이블이 하이퍼바이저 영역까지 닿습니다',
  ],
  [/^The domain has too little memory for this kernel$/, '이 커널을 담기에는 도메인의 메모리가 모자랍니다'],
  [/^The hypercall page lies outside the initial mapping$/, '하이퍼콜 페이지가 처음 매핑 밖에 있습니다'],
  [/^The machine has too little free memory$/, '기계에 남은 메모리가 모자랍니다'],
  [/^The machine has no room for .+$/, '기계에 새 도메인의 자리가 없습니다'],
];

const VALUE: readonly Phrase[] = [
  [/^a kernel$/, '커널'],
  [/^machine code$/, '기계어'],
  [/^at least (\S+) bytes$/, '$1바이트 이상'],
  [/^(\d+) bytes$/, '$1바이트'],
  [/^class 1 \(32-bit\), machine 3 \(i386\)$/, '클래스 1(32비트), 기계 3(i386)'],
  [/^class (\d+), machine (\d+)$/, '클래스 $1, 기계 $2'],
  [/^1 \(32-bit\)$/, '1(32비트)'],
  [/^3 \(i386\)$/, '3(i386)'],
  [/^2 \(executable\) or 3 \(shared object\)$/, '2(실행 파일) 또는 3(공유 오브젝트)'],
  [/^an end of at most (\S+)$/, '끝이 $1 이하'],
  [/^at most (\S+)$/, '$1 이하'],
  [/^at least (.+)$/, '$1 이상'],
  [/^below (\S+)$/, '$1보다 아래'],
  [/^a 32-bit number$/, '32비트 숫자'],
  [
    /^a PT_NOTE segment or SHT_NOTE section with notes named "Xen", or a section __xen_guest$/,
    '이름이 "Xen"인 노트를 담은 PT_NOTE 세그먼트나 SHT_NOTE 섹션, 또는 __xen_guest 섹션',
  ],
  [/^none$/, '없음'],
  [/^no such note$/, '그런 노트 없음'],
  [/^the notes of a PV kernel$/, 'PV 커널의 노트'],
  [/^PHYS32_ENTRY alone$/, 'PHYS32_ENTRY뿐'],
  [/^both notes$/, '두 노트 모두'],
  [/^PADDR_OFFSET alone$/, 'PADDR_OFFSET뿐'],
  [/^note (\S+) (".*")$/, '노트 $1 $2'],
  [/^a PT_LOAD segment$/, 'PT_LOAD 세그먼트'],
  [/^an address between 0 and (\S+)$/, '0과 $1 사이의 주소'],
  [/^a page between (\S+) and (\S+)$/, '$1과(와) $2 사이의 페이지'],
  [/^a multiple of 0x1000$/, '0x1000의 배수'],
  [/^(\S+) to (\S+)$/, '$1부터 $2까지'],
  [/^HV_START_LOW of at most (\S+)$/, '$1 이하의 HV_START_LOW'],
  [/^something else$/, '다른 값'],
];

const REMEDY: readonly Phrase[] = [
  [
    /^Build a kernel from it and drop that: build\.sh of the starter shows how\.$/,
    '이것으로 커널을 빌드해 그 커널을 놓으십시오. 시작 커널의 build.sh에 방법이 있습니다.',
  ],
  [/^Check that the whole file was transferred\.$/, '파일 전체가 옮겨졌는지 확인하십시오.'],
  [/^It is gzip-compressed: unpack it first\.$/, 'gzip으로 압축되어 있습니다. 먼저 푸십시오.'],
  [
    /^Link the kernel as an ELF executable \(ld -m elf_i386\)\.$/,
    '커널을 ELF 실행 파일로 링크하십시오(ld -m elf_i386).',
  ],
  [/^Ringside runs 32-bit: build with -m32\.$/, 'Ringside는 32비트를 실행합니다. -m32로 빌드하십시오.'],
  [/^Build with -m32\.$/, '-m32로 빌드하십시오.'],
  [/^Build for i386\.$/, 'i386용으로 빌드하십시오.'],
  [/^Build for i386 with -m32\.$/, '-m32로 i386용을 빌드하십시오.'],
  [/^Link the object file with ld -m elf_i386\.$/, '오브젝트 파일을 ld -m elf_i386으로 링크하십시오.'],
  [/^The file is damaged: build it again\.$/, '파일이 손상되었습니다. 다시 빌드하십시오.'],
  [
    /^The file is truncated or damaged: transfer or build it again\.$/,
    '파일이 잘렸거나 손상되었습니다. 다시 옮기거나 빌드하십시오.',
  ],
  [/^The file is truncated: transfer or build it again\.$/, '파일이 잘렸습니다. 다시 옮기거나 빌드하십시오.'],
  [/^Check the addresses given to the linker\.$/, '링커에 준 주소를 확인하십시오.'],
  [
    /^Strip the kernel, or drop the note BSD_SYMTAB \(11\)\.$/,
    '커널을 strip하거나 노트 BSD_SYMTAB (11)을 빼십시오.',
  ],
  [/^Correct the string, or use ELF notes\.$/, '문자열을 고치거나 ELF 노트를 쓰십시오.'],
  [
    /^Add the notes XEN_VERSION "xen-3\.0".*$/,
    '노트 XEN_VERSION "xen-3.0", LOADER "generic", PAE_MODE "yes", VIRT_BASE를 넣고, 링크하거나 strip할 때 그 섹션을 남기십시오.',
  ],
  [
    /^Ringside boots PV kernels: build the PV flavour\.$/,
    'Ringside는 PV 커널을 부팅합니다. PV용으로 빌드하십시오.',
  ],
  [/^Add the note (\w+ \(\d+\)) with ("[^"]*")\.$/, '노트 $1을(를) $2(으)로 넣으십시오.'],
  [
    /^This interface has PAE tables of 64-bit entries only: .*$/,
    '이 인터페이스에는 64비트 엔트리의 PAE 테이블만 있습니다. 커널을 PAE로 빌드하고 노트 PAE_MODE (9)를 "yes"로 넣으십시오.',
  ],
  [
    /^A PV domain cannot have it: make it optional in the note FEATURES \(remove the "!"\)\.$/,
    'PV 도메인은 가질 수 없는 기능입니다. 노트 FEATURES에서 "!"를 빼 선택 사항으로 만드십시오.',
  ],
  [
    /^This feature is unknown: correct the note FEATURES\.$/,
    '알 수 없는 기능입니다. 노트 FEATURES를 고치십시오.',
  ],
  [/^Link the kernel as an executable\.$/, '커널을 실행 파일로 링크하십시오.'],
  [
    /^Correct VIRT_BASE and PADDR_OFFSET: .*$/,
    'VIRT_BASE와 PADDR_OFFSET을 고치십시오. 가상 주소 = p_paddr + VIRT_BASE - PADDR_OFFSET입니다.',
  ],
  [/^Correct VIRT_BASE or PADDR_OFFSET\.$/, 'VIRT_BASE나 PADDR_OFFSET을 고치십시오.'],
  [
    /^Align the first segment to 4 KiB \(ld without -N, or ALIGN\(4096\)\)\.$/,
    '첫 세그먼트를 4KiB에 맞추십시오(ld의 -N 없이, 또는 ALIGN(4096)).',
  ],
  [/^Set the note ENTRY, or -e of the linker\.$/, '노트 ENTRY나 링커의 -e를 정하십시오.'],
  [/^Correct the note (\w+ \(\d+\))\.$/, '노트 $1을(를) 고치십시오.'],
  [/^Add the note (\w+ \(\d+\))\.$/, '노트 $1을(를) 넣으십시오.'],
  [/^Lower the note (\w+ \(\d+\))\.$/, '노트 $1의 값을 낮추십시오.'],
  [/^Choose a lower VIRT_BASE, or less memory\.$/, 'VIRT_BASE를 낮추거나 메모리를 줄이십시오.'],
  [/^Give the domain more memory\.$/, '도메인에 메모리를 더 주십시오.'],
  [
    /^Give the domain less memory, or destroy another\.$/,
    '도메인의 메모리를 줄이거나 다른 도메인을 없애십시오.',
  ],
  [
    /^Destroy a domain, or give this one less memory\.$/,
    '도메인 하나를 없애거나 이 도메인의 메모리를 줄이십시오.',
  ],
  [
    /^Put the page inside the kernel image and correct the note HYPERCALL_PAGE \(2\)\.$/,
    '그 페이지를 커널 이미지 안에 두고 노트 HYPERCALL_PAGE (2)를 고치십시오.',
  ],
];

function say(phrases: readonly Phrase[], text: string): string | undefined {
  for (const [english, korean] of phrases) if (english.test(text)) return text.replace(english, korean);
  return undefined;
}
/** Values that are numbers, names or bytes are the same in both languages. */
const sayValue = (text: string): string => say(VALUE, text) ?? text;

const PARTS = /^(.+?)(?: at offset (0x[0-9a-f]+))?(?:: expected (.+), found (.+?))?\. ([A-Z].*)$/s;

/** The Korean of an ImageError's message, undefined when it is none. Particles are still to be resolved. */
export function koreanImageMessage(message: string): string | undefined {
  const parts = PARTS.exec(message);
  if (!parts) return undefined;
  const [, what, offset, expected, found, remedy] = parts;
  const head = say(WHAT, what!);
  const tail = say(REMEDY, remedy!);
  if (head === undefined || tail === undefined) return undefined;
  const where = offset === undefined ? '' : `오프셋 ${offset}. `;
  const values = expected === undefined ? '' : `기대 ${sayValue(expected)}, 실제 ${sayValue(found!)}. `;
  return `${head}. ${where}${values}${tail}`;
}
export const knownParts = { what: WHAT, remedy: REMEDY } as const;
