// Why an instruction has its class, as a sentence in English or Korean, made of the facts that classify.ts derived.

import type { Classification, InstructionClass, ModeBit } from './classify.ts';
import type { Language } from './explain-text.ts';

type Facts = Omit<Classification, 'reason'>;

interface Words {
  readonly modes: Readonly<Record<ModeBit, string>>;
  readonly places: Readonly<Record<string, string>>;
  readonly and: string;
  readonly or: string;
  readonly reads: string;
  readonly writes: string;
  readonly join: string;
  readonly always: string;
  readonly bitmap: string;
  /** {0} what it touches, with {1} the exceptions by mode; the second sentence when it touches nothing. */
  readonly sentence: Readonly<Record<InstructionClass, readonly [touching: string, plain: string]>>;
  readonly unless: string;
}

const EN: Words = {
  modes: {
    umip: 'CR4.UMIP is set and CPL is above 0',
    tsd: 'CR4.TSD is set and CPL is above 0',
    vm86: 'the processor is in virtual-8086 mode',
    ts: 'CR0.TS is set',
  },
  places: {
    descriptor: 'the descriptor tables',
    idt: 'the interrupt descriptor table',
    tss: 'the task state segment',
    msr: 'model-specific registers',
    port: 'I/O ports',
    tlb: 'the TLB',
    halt: 'the halt state',
    cs: 'CS (its RPL is the privilege level)',
    ss: 'SS (its RPL is the privilege level)',
  },
  and: ' and ',
  or: ' or ',
  reads: 'reads {0}',
  writes: 'writes {0}',
  join: ', and ',
  always: 'It raises an exception at every level, CPL 0 included.',
  bitmap: ', unless the I/O permission bitmap allows the port',
  sentence: {
    privileged: [
      'It is refused at every level but CPL 0; there it {0}.',
      'It is refused at every level but CPL 0.',
    ],
    'iopl-privileged': [
      'It is refused where CPL is above IOPL{1}; elsewhere it {0}.',
      'It is refused where CPL is above IOPL{1}.',
    ],
    'sensitive-unprivileged': [
      'It runs at every level without a trap{1}; yet it {0}.',
      'It runs at every level without a trap{1}.',
    ],
    'mode-conditional': ['It runs at every level{1}.', 'It runs at every level{1}.'],
    innocuous: [
      'It touches nothing that belongs to the system.',
      'It neither reads nor writes anything that belongs to the system.',
    ],
  },
  unless: ', unless {0}',
};

const KO: Words = {
  modes: {
    umip: 'CR4.UMIP가 켜져 있고 CPL이 0보다 큰 때',
    tsd: 'CR4.TSD가 켜져 있고 CPL이 0보다 큰 때',
    vm86: '가상 8086 모드일 때',
    ts: 'CR0.TS가 켜져 있을 때',
  },
  places: {
    descriptor: '디스크립터 테이블',
    idt: '인터럽트 디스크립터 테이블',
    tss: '태스크 상태 세그먼트',
    msr: '모델별 레지스터(MSR)',
    port: 'I/O 포트',
    tlb: 'TLB',
    halt: '정지 상태',
    cs: 'CS(그 RPL이 곧 특권 수준)',
    ss: 'SS(그 RPL이 곧 특권 수준)',
  },
  and: ', ',
  or: ' 또는 ',
  reads: '읽는 것: {0}',
  writes: '쓰는 것: {0}',
  join: '; ',
  always: 'CPL 0을 포함한 모든 수준에서 예외를 일으킨다.',
  bitmap: ' (I/O 허가 비트맵이 포트를 허락하면 예외)',
  sentence: {
    privileged: ['CPL 0이 아니면 거부된다. CPL 0에서 {0}.', 'CPL 0이 아니면 거부된다.'],
    'iopl-privileged': [
      'CPL이 IOPL보다 크면 거부된다{1}. 그 밖에는 {0}.',
      'CPL이 IOPL보다 크면 거부된다{1}.',
    ],
    'sensitive-unprivileged': [
      '어느 수준에서나 트랩 없이 실행되지만{1} 시스템의 상태를 건드린다. {0}.',
      '어느 수준에서나 트랩 없이 실행된다{1}.',
    ],
    'mode-conditional': ['어느 수준에서나 실행된다{1}.', '어느 수준에서나 실행된다{1}.'],
    innocuous: ['시스템에 속한 것을 건드리지 않는다.', '시스템에 속한 것을 읽지도 쓰지도 않는다.'],
  },
  unless: ' (예외: {0})',
};

const WORDS: Readonly<Record<Language, Words>> = { en: EN, ko: KO };

const fill = (text: string, ...args: readonly string[]): string =>
  text.replace(/\{(\d)\}/g, (_all, n: string) => args[Number(n)] ?? '');

/** a, b and c. */
function listed(items: readonly string[], last: string): string {
  return items.length < 2 ? items.join('') : items.slice(0, -1).join(', ') + last + items[items.length - 1];
}

/** What places are called in a sentence: registers whole, and not at all where the table they lead to is named. */
function places(names: readonly string[], words: Words): string {
  const implied = new Set<string>();
  if (names.includes('descriptor')) implied.add('gdtr').add('ldtr');
  if (names.includes('idt')) implied.add('idtr');
  if (names.includes('tss')) implied.add('tr');
  const registers = names.map((name) => name.split('.')[0]!).filter((name) => !implied.has(name));
  return listed(
    [...new Set(registers)].map((name) => words.places[name] ?? name.toUpperCase()),
    words.and,
  );
}

function touches({ effects }: Facts, words: Words): string {
  const names = (access: 'read' | 'write') =>
    places(
      effects.filter((effect) => effect.access === access).map(({ name }) => name),
      words,
    );
  const reads = names('read'),
    writes = names('write');
  const parts = [reads && fill(words.reads, reads), writes && fill(words.writes, writes)];
  return parts.filter((part) => part !== '').join(words.join);
}

/** The sentence. */
export function reasonText(facts: Facts, language: Language): string {
  const words = WORDS[language];
  if (facts.alwaysFaults) return words.always;
  const what = touches(facts, words);
  const modes = facts.modes.map((mode) => words.modes[mode]);
  const unless = facts.ioBitmap
    ? words.bitmap
    : modes.length > 0
      ? fill(words.unless, listed(modes, words.or))
      : '';
  const [touching, plain] = words.sentence[facts.class];
  return fill(what === '' ? plain : touching, what, unless);
}
