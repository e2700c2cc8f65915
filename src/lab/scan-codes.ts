// Keys of a keyboard by the browser's names for their places, as scan codes of set 2: what the bare machine's keyboard sends.

const EXTENDED = 0xe0,
  BREAK = 0xf0;
const named = (names: string, ...codes: number[]): [string, readonly number[]][] =>
  names.split(' ').map((name, i) => [name, [codes[i]!]]);
const extended = (names: string, ...codes: number[]): [string, readonly number[]][] =>
  names.split(' ').map((name, i) => [name, [EXTENDED, codes[i]!]]);

const CODES: ReadonlyMap<string, readonly number[]> = new Map([
  ...named('Backquote Digit1 Digit2 Digit3 Digit4 Digit5', 0x0e, 0x16, 0x1e, 0x26, 0x25, 0x2e),
  ...named('Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal', 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55),
  ...named(
    'KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP',
    0x15,
    0x1d,
    0x24,
    0x2d,
    0x2c,
    0x35,
    0x3c,
    0x43,
    0x44,
    0x4d,
  ),
  ...named(
    'KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL',
    0x1c,
    0x1b,
    0x23,
    0x2b,
    0x34,
    0x33,
    0x3b,
    0x42,
    0x4b,
  ),
  ...named('KeyZ KeyX KeyC KeyV KeyB KeyN KeyM', 0x1a, 0x22, 0x21, 0x2a, 0x32, 0x31, 0x3a),
  ...named('BracketLeft BracketRight Backslash Semicolon Quote', 0x54, 0x5b, 0x5d, 0x4c, 0x52),
  ...named('Comma Period Slash IntlBackslash Space Enter', 0x41, 0x49, 0x4a, 0x61, 0x29, 0x5a),
  ...named('Backspace Tab CapsLock ShiftLeft ShiftRight', 0x66, 0x0d, 0x58, 0x12, 0x59),
  ...named('ControlLeft AltLeft Escape NumLock ScrollLock', 0x14, 0x11, 0x76, 0x77, 0x7e),
  ...named('F1 F2 F3 F4 F5 F6', 0x05, 0x06, 0x04, 0x0c, 0x03, 0x0b),
  ...named('F7 F8 F9 F10 F11 F12', 0x83, 0x0a, 0x01, 0x09, 0x78, 0x07),
  ...named('Numpad0 Numpad1 Numpad2 Numpad3 Numpad4 Numpad5', 0x70, 0x69, 0x72, 0x7a, 0x6b, 0x73),
  ...named('Numpad6 Numpad7 Numpad8 Numpad9 NumpadDecimal', 0x74, 0x6c, 0x75, 0x7d, 0x71),
  ...named('NumpadAdd NumpadSubtract NumpadMultiply', 0x79, 0x7b, 0x7c),
  ...extended('ArrowUp ArrowDown ArrowLeft ArrowRight', 0x75, 0x72, 0x6b, 0x74),
  ...extended('Home End PageUp PageDown Insert Delete', 0x6c, 0x69, 0x7d, 0x7a, 0x70, 0x71),
  ...extended('ControlRight AltRight NumpadEnter NumpadDivide', 0x14, 0x11, 0x5a, 0x4a),
]);

/** Bytes for a key going down or up; undefined for a key that such a keyboard does not have. */
export function scanCodes(key: string, down: boolean): readonly number[] | undefined {
  const codes = CODES.get(key);
  if (codes === undefined || down) return codes;
  return codes.length === 1 ? [BREAK, codes[0]!] : [EXTENDED, BREAK, codes[1]!];
}
