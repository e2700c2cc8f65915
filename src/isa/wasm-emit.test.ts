// The binary encoder against the two judges it has: the LEB128 examples of its specification and WebAssembly itself.

import { describe, expect, test } from 'vitest';
import { FunctionBody, I32, signedLeb, unsignedLeb, WasmModule } from './wasm-emit.ts';

/** Decodes LEB128 the way the specification defines it, with BigInt so that it shares nothing with the encoder. */
function decodeLeb(bytes: readonly number[], signed: boolean): number {
  let value = 0n,
    shift = 0n;
  for (const byte of bytes) {
    value |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
  }
  if (signed && (bytes[bytes.length - 1]! & 0x40) !== 0) value -= 1n << shift;
  return Number(value);
}

describe('LEB128', () => {
  test('known encodings', () => {
    expect(unsignedLeb(624485)).toEqual([0xe5, 0x8e, 0x26]);
    expect(signedLeb(-123456)).toEqual([0xc0, 0xbb, 0x78]);
    expect(signedLeb(64)).toEqual([0xc0, 0x00]);
    expect(signedLeb(-64)).toEqual([0x40]);
  });
  test('every power of two and its neighbours come back', () => {
    for (let bit = 0; bit < 32; bit++) {
      for (const delta of [-1, 0, 1]) {
        const value = 2 ** bit + delta;
        expect(decodeLeb(unsignedLeb(value), false)).toBe(value >>> 0);
        expect(decodeLeb(signedLeb(value), true)).toBe(value | 0);
        expect(decodeLeb(signedLeb(-value), true)).toBe(-value | 0);
      }
    }
  });
});

describe('modules', () => {
  test('a loop with a branch runs', () => {
    // sum(n) = n + (n - 1) + … + 1, counted down in a loop that leaves through a block.
    const body = new FunctionBody([I32], [I32]);
    const sum = body.local(I32);
    const done = body.begin('block');
    const again = body.begin('loop');
    body.get(0).op('i32.eqz').branch('br_if', done);
    body.get(sum).get(0).op('i32.add').set(sum);
    body.get(0).const32(1).op('i32.sub').set(0);
    body.branch('br', again).end().end().get(sum);
    const module = new WasmModule();
    module.define(body, 'sum');
    const bytes = module.encode();
    expect(WebAssembly.validate(bytes)).toBe(true);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    expect((instance.exports.sum as (n: number) => number)(10)).toBe(55);
  });
  test('what is ill-typed is refused by the engine', () => {
    const body = new FunctionBody([], [I32]);
    body.const32(1).const32(2);
    const module = new WasmModule();
    module.define(body, 'two');
    expect(WebAssembly.validate(module.encode())).toBe(false);
  });
  test('open blocks are noticed before the bytes are', () => {
    const body = new FunctionBody([], []);
    body.begin('block');
    expect(() => body.encode()).toThrow('left open');
    expect(() => new FunctionBody([], []).end()).toThrow();
  });
});
