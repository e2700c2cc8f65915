import { describe, expect, it } from 'vitest';
import { actionFor, KEY_TABLE, type KeyContext, type KeyLike } from './keys.ts';

const key = (code: string, shiftKey = false, more: Partial<KeyLike> = {}): KeyLike => ({
  code,
  shiftKey,
  ctrlKey: false,
  altKey: false,
  metaKey: false,
  ...more,
});
const free: KeyContext = { typing: false, onControl: false, dialog: false, letters: true, question: false };

describe('keys', () => {
  it('reads the place of a key, not the letter a Hangul layout writes', () => {
    const hangul = { ...key('KeyT'), key: 'ㅅ' };
    expect(actionFor(hangul, free)).toBe('trap+');
    expect(actionFor({ ...hangul, shiftKey: true }, free)).toBe('trap-');
  });
  it('steps phases with . and , and this domain with Shift', () => {
    expect(
      ['Period', 'Comma'].flatMap((c) => [actionFor(key(c), free), actionFor(key(c, true), free)]),
    ).toEqual(['phase+', 'phaseDomain+', 'phase-', 'phaseDomain-']);
  });
  it('leaves everything but leaving to somebody who types', () => {
    const typing = { ...free, typing: true };
    for (const [code, shift, action] of KEY_TABLE) {
      const stays = action === 'region+' || action === 'region-' || action === 'escape';
      expect(actionFor(key(code, shift), typing)).toBe(stays ? action : undefined);
    }
    expect(actionFor(key('Enter'), typing)).toBeUndefined();
    expect(actionFor(key('Digit1'), { ...typing, question: true })).toBeUndefined();
  });
  it('drops letters when they are switched off, and keeps the function keys', () => {
    const off = { ...free, letters: false };
    expect(actionFor(key('Period'), off)).toBeUndefined();
    expect(actionFor(key('F10'), off)).toBe('over+');
    expect(actionFor(key('F6'), off)).toBe('region+');
  });
  it('every function key has a letter twin', () => {
    const twins = new Set(KEY_TABLE.filter((k) => k[3]).map((k) => k[2]));
    const exempt = new Set(['region+', 'region-', 'escape']);
    for (const [, , action, letter] of KEY_TABLE)
      if (!letter && !exempt.has(action)) expect(twins).toContain(action);
  });
  it('answers predictions with 1 to 4 and ?, only while one is asked', () => {
    expect(actionFor(key('Digit2'), { ...free, question: true })).toBe('choice2');
    expect(actionFor(key('Digit2'), free)).toBeUndefined();
    expect(actionFor(key('Slash', true), { ...free, question: true })).toBe('dontKnow');
    expect(actionFor(key('Slash', true), free)).toBe('help');
  });
  it('gives Enter to the primary button and Space to Run, unless a control has them', () => {
    expect(actionFor(key('Enter'), free)).toBe('primary');
    expect(actionFor(key('Space'), free)).toBe('run');
    expect(actionFor(key('Enter'), { ...free, onControl: true })).toBeUndefined();
  });
  it('never takes a browser shortcut or a key of the input method', () => {
    expect(actionFor(key('KeyT', false, { ctrlKey: true }), free)).toBeUndefined();
    expect(actionFor(key('KeyL', false, { metaKey: true }), free)).toBeUndefined();
    expect(actionFor(key('KeyT', false, { isComposing: true }), free)).toBeUndefined();
  });
});
