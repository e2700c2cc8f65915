// What reaches stdout: the bytes of guests alone, whole lines where several speak, an unfinished line in time whoever else speaks.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { startDomain } from '../lab/inputs.ts';
import { allocate } from '../memory/memory.ts';
import { createMachine } from '../toolstack/assemble.ts';
import type { TraceRecord } from '../trace/records.ts';
import { RT } from '../trace/records.ts';
import { ConsoleWriter } from './console-writer.ts';

const hello = new Uint8Array(readFileSync('public/guests/hello/hello.elf'));

/** A writer in front of a machine of so many guests; `say` is a console record of a domain. */
function writerOf(guests: number, labelled = false) {
  const machine = createMachine(allocate(64, false), { sliceTicks: 30_000, epochSec: 0 });
  for (let i = 0; i < guests; i++)
    startDomain(machine, { name: `g${i}`, image: '00'.repeat(32), memoryMiB: 8, cmdline: '' }, () => hello);
  let out = '',
    record: unknown;
  let closed = false;
  const put = (to: number, bytes: Uint8Array, done: number): number => {
    if (closed) throw Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
    const n = Math.min(3, bytes.length - done); // a pipe takes what it likes
    if (to === 1) out += Buffer.from(bytes.subarray(done, done + n)).toString('latin1');
    return n;
  };
  const history = { typeOf: () => RT.console, get: () => record as TraceRecord };
  const writer = new ConsoleWriter(history as never, machine.m, labelled, put);
  return {
    writer,
    say: (domid: number, text: string, T = 0) => {
      record = { aux: 0, domid, T, data: Buffer.from(text, 'latin1') };
      writer.record(1);
    },
    taken: () => {
      const text = out;
      out = '';
      return text;
    },
    close: () => {
      closed = true;
    },
  };
}

describe('the console on stdout', () => {
  it('is a single guest’s bytes, as they come', () => {
    const { say, taken } = writerOf(1);
    say(1, 'login: ');
    expect(taken()).toBe('login: ');
    say(1, '\0\xff\r\n');
    expect(taken()).toBe('\0\xff\r\n');
  });

  it('is whole lines of several guests, with nothing added to them', () => {
    const { say, taken } = writerOf(2);
    say(1, 'one');
    say(2, 'two\nthr');
    say(1, ' and a half\n');
    say(2, 'ee\n');
    expect(taken()).toBe('two\none and a half\nthree\n');
  });

  it('lets an unfinished line out in time, and ends it when another guest speaks', () => {
    const { writer, say, taken } = writerOf(2);
    say(1, 'grub> ', 100);
    writer.passed(20_099);
    expect(taken()).toBe('');
    writer.passed(20_100);
    expect(taken()).toBe('grub> ');
    say(1, 'ls', 30_000);
    expect(taken()).toBe('ls');
    say(2, 'x\n', 30_001);
    expect(taken()).toBe('\nx\n');
  });

  it('does not depend on when somebody looked', () => {
    const { say, taken } = writerOf(2);
    say(1, 'grub> ', 100);
    say(2, 'x\n', 20_101);
    expect(taken()).toBe('grub> \nx\n');
  });

  it('names the domains on a terminal', () => {
    const { say, taken } = writerOf(2, true);
    say(1, 'one\ntwo\n');
    say(2, 'three\n');
    expect(taken()).toBe('(d1) one\n(d1) two\n(d2) three\n');
  });

  it('knows when nobody reads any more', () => {
    const { writer, say, close } = writerOf(1);
    close();
    say(1, 'x');
    expect(writer.gone).toBe(true);
  });
});
