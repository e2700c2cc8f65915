import { describe, expect, it } from 'vitest';
import { isObject, keep, kept, listOf, onNotKept, recordOf, takeOver } from './keep.ts';

describe('what the browser kept', () => {
  it('is taken over field by field, and only what is sound', () => {
    const merge = takeOver<{ lang: string; sizes: object }>({
      lang: (v) => v === 'en' || v === 'ko',
      sizes: recordOf(recordOf((v) => typeof v === 'number')),
    });
    const now = { lang: 'en', sizes: {} };
    expect(merge({ lang: 7, sizes: { a: { b: 50 } }, other: 1 }, now)).toEqual({
      lang: 'en',
      sizes: { a: { b: 50 } },
    });
    for (const broken of [undefined, null, 'zzz', [], { lang: 'xx', sizes: { a: 'zzz' } }])
      expect(merge(broken, now)).toEqual(now);
    expect(listOf(isObject)([{}, 1])).toBe(false);
  });

  it('lives as long as the page where there is no storage, and says so once', () => {
    // Node has no localStorage worth the name: exactly the browser that denies it.
    let told = 0;
    Object.defineProperty(globalThis, 'localStorage', {
      configurable: true,
      get: () => {
        throw new Error('denied');
      },
    });
    onNotKept(() => told++);
    keep('a', '1');
    keep('a', '2');
    expect(kept('a')).toBe('2');
    expect(kept('b')).toBeUndefined();
    expect(told).toBe(1);
    Reflect.deleteProperty(globalThis, 'localStorage');
  });
});
