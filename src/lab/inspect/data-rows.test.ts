import { describe, expect, it } from 'vitest';
import { dataRow, isData, nextMark } from './data-rows.ts';

const bytes = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));
const map = {
  name: 'x',
  sha256: '',
  symbols: [
    [0x1000, 'start', 8],
    [0x1010, 'message', 9],
  ],
  files: ['x.asm'],
  lines: [
    [0x1000, 0, 1],
    [0x1008, 0, 0],
  ],
  sources: {},
} as const;

describe('rows of data', () => {
  it('are what the line table gives no source for', () => {
    expect(isData(map, 0x1007)).toBe(false);
    expect(isData(map, 0x1008)).toBe(true);
    expect(isData(map, 0xfff)).toBe(false);
    expect(isData(undefined, 0x1008)).toBe(false);
    expect(isData({ ...map, lines: [] }, 0x1008)).toBe(false);
  });
  it('end at the next symbol', () => {
    expect(nextMark(map, 0x1008)).toBe(0x1010);
    expect(nextMark(map, 0x1010)).toBe(Number.POSITIVE_INFINITY);
  });
  it('read text with its newline and NUL', () => {
    expect(dataRow([...bytes('Goodbye.'), 10, 0, 7])).toEqual({ length: 10, text: 'db "Goodbye.", 10, 0' });
  });
  it('count zeros and list the rest', () => {
    expect(dataRow([0, 0, 0, 0, 0, 1])).toEqual({ length: 5, text: 'times 5 db 0' });
    expect(dataRow([1, 0xff, ...bytes('text')])).toEqual({ length: 2, text: 'db 0x01, 0xff' });
    expect(dataRow([0x22])).toEqual({ length: 1, text: 'db 0x22' });
    expect(dataRow([3, undefined])).toEqual({ length: 1, text: 'db 0x03' });
  });
  it('never stand still', () => {
    for (let b = 0; b < 256; b++) expect(dataRow([b, b, b]).length).toBeGreaterThan(0);
  });
});
