// An input log in few letters, for links that go into a QR code: acts joined by ~, their fields by commas, numbers in base 36, bytes in
// base64url. Only letters that an address leaves alone.

import type { InputAct, InputEntry } from './types.ts';

const number = (n: number): string => n.toString(36);
const base64 = (bytes: Iterable<number>): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
const text = (s: string): string => base64(new TextEncoder().encode(s));

function encodeAct(act: InputAct): readonly string[] | undefined {
  switch (act.kind) {
    case 'console':
      return [act.hold ? 'h' : 'c', number(act.domid), base64(act.bytes)];
    case 'keys':
      return ['k', base64(act.codes)];
    case 'editMemory':
      return ['m', number(act.maddr), base64(act.bytes), text(act.what)];
    case 'editRegister':
      return ['r', number(act.vcpu), act.register, number(act.value >>> 0)];
    case 'closeInput':
      return ['e'];
    case 'createDomain':
      return undefined;
  }
}
/** The log as text; undefined when it holds what only a whole link can say. Each entry is measured from the one before. */
export function encodeLog(log: readonly InputEntry[]): string | undefined {
  const parts: string[] = [];
  let T = 0,
    seq = 0;
  for (const entry of log) {
    const act = encodeAct(entry);
    if (!act) return undefined;
    parts.push([act[0], number(entry.T - T), number(entry.seq - seq), ...act.slice(1)].join(','));
    T = entry.T;
    seq = entry.seq;
  }
  return parts.join('~');
}

const readNumber = (s: string | undefined): number => {
  const n = Number.parseInt(s ?? '', 36);
  if (!/^-?[0-9a-z]+$/.test(s ?? '') || !Number.isSafeInteger(n)) throw new RangeError('no number');
  return n;
};
const readBytes = (s: string | undefined): number[] =>
  Array.from(atob((s ?? '').replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
const readText = (s: string | undefined): string => new TextDecoder().decode(Uint8Array.from(readBytes(s)));

function decodeAct(kind: string, f: readonly string[]): InputAct {
  switch (kind) {
    case 'c':
      return { kind: 'console', domid: readNumber(f[0]), bytes: readBytes(f[1]) };
    case 'h':
      return { kind: 'console', domid: readNumber(f[0]), bytes: readBytes(f[1]), hold: true };
    case 'k':
      return { kind: 'keys', codes: readBytes(f[0]) };
    case 'm':
      return { kind: 'editMemory', maddr: readNumber(f[0]), bytes: readBytes(f[1]), what: readText(f[2]) };
    case 'r':
      return {
        kind: 'editRegister',
        vcpu: readNumber(f[0]),
        register: f[1] ?? '',
        value: readNumber(f[2]),
      };
    case 'e':
      return { kind: 'closeInput' };
    default:
      throw new RangeError('no act');
  }
}
/** Reads what encodeLog wrote; throws an error (RangeError, or what atob throws) when it is anything else. */
export function decodeLog(log: string): readonly InputEntry[] {
  if (log === '') return [];
  let T = 0,
    seq = 0;
  return log.split('~').map((part) => {
    const [kind = '', dT, dSeq, ...fields] = part.split(',');
    T += readNumber(dT);
    seq += readNumber(dSeq);
    return { T, seq, ...decodeAct(kind, fields) };
  });
}
