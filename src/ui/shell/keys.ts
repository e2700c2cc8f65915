// Keys by event.code, so that a Hangul layout (ㅅ where T is) means the same. Function keys and arrows always work; single letters may be
// switched off, and none of them works while somebody types.

export type Action =
  | 'phase+'
  | 'phase-'
  | 'phaseDomain+'
  | 'phaseDomain-'
  | 'insn+'
  | 'insn-'
  | 'over+'
  | 'over-'
  | 'trap+'
  | 'trap-'
  | 'domainTrap+'
  | 'domainTrap-'
  | 'run'
  | 'primary'
  | 'views'
  | 'help'
  | 'guide'
  | 'link'
  | 'breakpoints'
  | 'reset'
  | 'region+'
  | 'region-'
  | 'escape'
  | 'choice1'
  | 'choice2'
  | 'choice3'
  | 'choice4'
  | 'dontKnow'
  | 'present'
  | 'moment'
  | 'notebook'
  | 'shelf'
  | 'pointer'
  | 'beat+'
  | 'beat-'
  | 'blank'
  | 'backToBeat'
  | 'takeVoteBack';

export interface KeyLike {
  readonly code: string;
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
  readonly altKey: boolean;
  readonly metaKey: boolean;
  readonly isComposing?: boolean;
}
export interface KeyContext {
  /** Somebody types: the focus is in a console, an editor or a field. */
  readonly typing: boolean;
  /** The focus is on a control that means something by Enter and Space itself. */
  readonly onControl: boolean;
  readonly dialog: boolean;
  readonly letters: boolean;
  /** A prediction waits for an answer. */
  readonly question: boolean;
  /** The page is on a projector: a clicker's keys mean beats. */
  readonly presenting?: boolean;
}

/** [code, shift, action, needs letters switched on] */
export const KEY_TABLE: readonly (readonly [
  code: string,
  shift: boolean,
  action: Action,
  letter: boolean,
])[] = [
  ['Period', false, 'phase+', true],
  ['Comma', false, 'phase-', true],
  ['Period', true, 'phaseDomain+', true],
  ['Comma', true, 'phaseDomain-', true],
  ['KeyI', false, 'insn+', true],
  ['KeyI', true, 'insn-', true],
  ['F11', false, 'insn+', false],
  ['F11', true, 'insn-', false],
  ['KeyO', false, 'over+', true],
  ['KeyO', true, 'over-', true],
  ['F10', false, 'over+', false],
  ['F10', true, 'over-', false],
  ['KeyT', false, 'trap+', true],
  ['KeyT', true, 'trap-', true],
  ['KeyD', false, 'domainTrap+', true],
  ['KeyD', true, 'domainTrap-', true],
  ['KeyR', false, 'run', true],
  ['F8', false, 'run', false],
  ['KeyV', false, 'views', true],
  ['Slash', true, 'help', true],
  ['KeyG', false, 'guide', true],
  ['KeyL', false, 'link', true],
  ['KeyB', false, 'breakpoints', true],
  ['F9', false, 'breakpoints', false],
  ['Digit0', true, 'reset', true],
  ['KeyN', false, 'notebook', true],
  ['KeyK', false, 'shelf', true],
  ['KeyQ', false, 'moment', true],
  ['KeyP', false, 'present', true],
  ['F6', false, 'region+', false],
  ['F6', true, 'region-', false],
  ['Escape', false, 'escape', false],
];
/** On a projector these come first: what clickers send, and the arrows for what "." means otherwise. */
export const PROJECTOR_TABLE: readonly (readonly [code: string, action: Action])[] = [
  ['PageDown', 'beat+'],
  ['PageUp', 'beat-'],
  ['Period', 'blank'],
  ['KeyB', 'blank'],
  ['KeyX', 'pointer'],
  ['F5', 'backToBeat'],
  ['ArrowRight', 'phase+'],
  ['ArrowLeft', 'phase-'],
  ['Backspace', 'takeVoteBack'],
];
const ARROWS: ReadonlySet<string> = new Set(['ArrowRight', 'ArrowLeft']);
const CHOICES: Readonly<Record<string, Action>> = {
  Digit1: 'choice1',
  Digit2: 'choice2',
  Digit3: 'choice3',
  Digit4: 'choice4',
  Numpad1: 'choice1',
  Numpad2: 'choice2',
  Numpad3: 'choice3',
  Numpad4: 'choice4',
};

/** What a key press means here, undefined when it is none of ours. */
export function actionFor(e: KeyLike, c: KeyContext): Action | undefined {
  if (e.ctrlKey || e.altKey || e.metaKey || e.isComposing) return undefined;
  if (c.dialog) return undefined; // a dialog closes itself by Escape
  const always = KEY_TABLE.find((k) => k[0] === e.code && k[1] === e.shiftKey && !k[3])?.[2];
  if (c.typing)
    return always === 'region+' || always === 'region-' || always === 'escape' ? always : undefined;
  if (c.presenting && !e.shiftKey && !(c.onControl && ARROWS.has(e.code))) {
    const hit = PROJECTOR_TABLE.find((k) => k[0] === e.code)?.[1];
    if (hit && (hit !== 'takeVoteBack' || c.question)) return hit;
  }
  if (always) return always;
  if (!c.onControl && !e.shiftKey && (e.code === 'Enter' || e.code === 'NumpadEnter')) return 'primary';
  if (!c.onControl && !e.shiftKey && e.code === 'Space') return 'run';
  if (!c.letters) return undefined;
  if (c.question && !e.shiftKey && CHOICES[e.code]) return CHOICES[e.code];
  if (c.question && e.shiftKey && e.code === 'Slash') return 'dontKnow';
  return KEY_TABLE.find((k) => k[0] === e.code && k[1] === e.shiftKey && k[3])?.[2];
}

/** True where key presses are text: fields, editors, the terminal. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false;
  if (target.closest('.xterm')) return true;
  if (target instanceof HTMLInputElement)
    return !['radio', 'checkbox', 'button', 'range'].includes(target.type);
  return (
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    (target instanceof HTMLElement && target.isContentEditable)
  );
}
/** True for controls that Enter and Space already mean something to. */
export const isControl = (target: EventTarget | null): boolean =>
  target instanceof Element &&
  target.closest(
    'button, a[href], summary, input, [role="radio"], [role="row"][tabindex], [role="option"], [data-value], [role="slider"]',
  ) !== null;
