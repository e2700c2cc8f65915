// The fixed words of explanations, in English and Korean. A line is a kind and its symbolic arguments; {0}, {1} … are their places.
// Names of registers, flags and tables are those of the manual in both languages.

export type Language = 'en' | 'ko';

// biome-ignore format: one line kind a row
const LINES = {
  assign:          ['{0} ← {1}', '{0} ← {1}'],
  name:            ['let {0} = {1}', '{0} := {1}'],
  'flags-add':     ['{0} ← flags of {1}, giving {2} ({3} bits)', '{0} ← 덧셈 {1} 의 플래그, 결과 {2} ({3}비트)'],
  'flags-sub':     ['{0} ← flags of {1}, giving {2} ({3} bits)', '{0} ← 뺄셈 {1} 의 플래그, 결과 {2} ({3}비트)'],
  'flags-logic':   ['CF and OF ← 0; PF ZF SF ← flags of {2} ({3} bits)', 'CF와 OF ← 0; PF ZF SF ← {2} 의 플래그 ({3}비트)'],
  'flags-result':  ['{0} ← flags of {2} ({3} bits)', '{0} ← {2} 의 플래그 ({3}비트)'],
  'flags-image':   ['{0} ← their bits in {1}', '{0} ← {1} 의 해당 비트'],
  if:              ['if {0}:', '{0} 이면:'],
  else:            ['otherwise:', '아니면:'],
  'fault-if':      ['if {0}: raise {1}', '{0} 이면 {1} 예외를 일으킨다'],
  fault:           ['raise {0}', '{0} 예외를 일으킨다'],
  while:           ['while {0}:', '{0} 인 동안:'],
  repeat:          ['while {0} ≠ 0, one turn a tick, counting it down:', '{0} ≠ 0 인 동안, 한 틱에 한 번, 하나씩 줄이며:'],
  'repeat-until':  ['while {0} ≠ 0, one turn a tick, counting it down, until {1}:', '{0} ≠ 0 인 동안, 한 틱에 한 번, 하나씩 줄이며, {1} 일 때까지:'],
  routine:         ['{0}:', '{0}:'],
  missing:         ['not described yet: {0}', '아직 기술되지 않음: {0}'],
  push:            ['push {0} ({1} bits)', '스택에 {0} 넣기 ({1}비트)'],
  pop:             ['let {0} = the {1} bits popped from the stack', '{0} := 스택에서 꺼낸 {1}비트'],
  'check-read':    ['check that {1} bytes at {0} can be read', '{0} 에서 {1}바이트를 읽을 수 있는지 확인'],
  'check-write':   ['check that {1} bytes at {0} can be written', '{0} 에 {1}바이트를 쓸 수 있는지 확인'],
  'check-control': ['check that {1} is a value CR{0} can take', '{1} 이 CR{0} 에 허용된 값인지 확인'],
  jump:            ['go on at {0}', '{0} 에서 계속'],
  segment:         ['load {0} with selector {1}, base {2}, limit {3}, attributes {4}', '{0} 에 적재: 셀렉터 {1}, 베이스 {2}, 한계 {3}, 속성 {4}'],
  gate:            ['enter the handler of vector {0} at {1}:{2} on the stack {3}:{4}', '벡터 {0} 의 처리기로 진입: {1}:{2}, 스택 {3}:{4}'],
  invalidate:      ['forget the translation of {0}', '{0} 의 주소 변환을 버린다'],
  halt:            ['stop until an interrupt arrives', '인터럽트가 올 때까지 멈춘다'],
  shadow:          ['hold interrupts back until the next instruction has run', '다음 명령이 끝날 때까지 인터럽트를 미룬다'],
  'hold-traps':    ['hold debug exceptions back as long', '디버그 예외도 그동안 미룬다'],
  'end-nmi':       ['accept NMIs again', 'NMI를 다시 받는다'],
  begin:           ['the new task begins at {0}: faults from here on are its own', '새 태스크가 {0} 에서 시작한다: 이후의 예외는 새 태스크의 것'],
  'task-trap':     ['raise #DB before the first instruction of the new task', '새 태스크의 첫 명령 전에 #DB 예외를 일으킨다'],
  'check-debug':   ['check that DR{0} may be accessed now (CR4.DE, DR7.GD)', 'DR{0} 에 지금 접근할 수 있는지 확인 (CR4.DE, DR7.GD)'],
  nothing:         ['nothing changes but EIP', 'EIP 외에는 바뀌는 것이 없다'],
  other:           ['{0}', '{0}'],
} as const satisfies Readonly<Record<string, readonly [en: string, ko: string]>>;

export type LineKind = keyof typeof LINES;

// biome-ignore format: one word a row
const SUMMARY = {
  reads:    ['Reads {0}.', '읽는 것: {0}.'],
  writes:   ['Writes {0}.', '쓰는 것: {0}.'],
  raises:   ['May raise {0} of its own.', '스스로 일으킬 수 있는 예외: {0}.'],
  always:   ['Always raises {0}.', '언제나 {0} 예외를 일으킨다.'],
  transfer: ['Decides where the program goes on.', '프로그램이 이어질 곳을 정한다.'],
  none:     ['Does nothing but go on to the next instruction.', '다음 명령으로 넘어갈 뿐이다.'],
  memory:   ['memory', '메모리'],
  flags:    ['flags', '플래그'],
  descriptor: ['the descriptor tables', '디스크립터 테이블'],
  idt:      ['the interrupt descriptor table', '인터럽트 디스크립터 테이블'],
  tss:      ['the task state segment', '태스크 상태 세그먼트'],
  msr:      ['model-specific registers', '모델별 레지스터(MSR)'],
  port:     ['I/O ports', 'I/O 포트'],
  tlb:      ['the TLB', 'TLB'],
  halt:     ['the halt state', '정지 상태'],
} as const satisfies Readonly<Record<string, readonly [en: string, ko: string]>>;

const SYSTEM_WORDS = new Set(['descriptor', 'idt', 'tss', 'msr', 'port', 'tlb', 'halt']);

export type SummaryKind = keyof typeof SUMMARY;

function fill(template: string, args: readonly string[]): string {
  return template.replace(/\{(\d)\}/g, (_all, n: string) => args[Number(n)] ?? '');
}
const column = (language: Language): 0 | 1 => (language === 'ko' ? 1 : 0);

/** The few words that stand inside expressions. */
const EXPRESSION_WORDS: readonly (readonly [en: string, ko: string])[] = [
  [' and ', ' 그리고 '],
  [' or ', ' 또는 '],
  [' (signed)', ' (부호 있음)'],
];

/** A line in a language, without its indentation. */
export function lineText(kind: LineKind, args: readonly string[], language: Language): string {
  if (language === 'en') return fill(LINES[kind][0], args);
  const words = (text: string) => EXPRESSION_WORDS.reduce((all, [en, ko]) => all.replaceAll(en, ko), text);
  return fill(LINES[kind][column(language)], args.map(words));
}

/** A table or state of the system that has a word instead of a register's name. */
export function systemWord(name: string, language: Language): string | undefined {
  const words: Readonly<Record<string, readonly [string, string]>> = SUMMARY;
  return SYSTEM_WORDS.has(name) ? words[name]?.[column(language)] : undefined;
}

export function summaryText(kind: SummaryKind, args: readonly string[], language: Language): string {
  return fill(SUMMARY[kind][column(language)], args);
}
