// The command line's promises: exit codes, stdout for the guest alone, the JSON line, save and restore, messages that name the thing.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bootOptions } from './options.ts';

const HELLO = 'public/guests/hello/hello.elf';
const folder = mkdtempSync(join(tmpdir(), 'ringside-boot-'));
function boot(...args: string[]): {
  code: number | null;
  out: string;
  err: string;
  last: Record<string, unknown>;
} {
  const r = spawnSync(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', 'boot', ...args], {
    encoding: 'utf8',
  });
  const line = r.stderr.trim().split('\n').pop() ?? '';
  return {
    code: r.status,
    out: r.stdout,
    err: r.stderr,
    last: line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : {},
  };
}

describe('ringside boot', () => {
  it('ends with the line of --json when nothing could run', () => {
    expect(boot('missing.elf', '--json')).toMatchObject({
      code: 2,
      last: { reason: 'file', code: 2, ticks: 0 },
    });
    expect(boot('--json')).toMatchObject({ code: 2, last: { reason: 'usage' } });
    expect(boot('README.md', '--json')).toMatchObject({ code: 2, last: { reason: 'image' } });
  });

  it('saves at T = 0, and says when T was never reached', () => {
    const file = join(folder, 'zero');
    const whole = boot(HELLO, '--save-at', '0', file, '--json');
    expect(boot('--restore', file, '--json').last['stateHash']).toBe(whole.last['stateHash']);
    expect(boot(HELLO, '--save-at', '9999', join(folder, 'never')).err).toContain('before --save-at 9999');
  });

  it('hands a command line that begins with a dash to the guest', () => {
    expect(bootOptions([HELLO, '--cmdline', '-v --x']).domains[0]!.cmdline).toBe('-v --x');
  });

  it('prints what the guest prints and ends with the line of --json', () => {
    const r = boot(HELLO, '--json', '--audit');
    expect(r.code).toBe(0);
    expect(r.out).toBe('I am a kernel in ring 1.\nXen left me a note: xen-3.0-x86_32p\nGoodbye.\n');
    expect(Object.keys(r.last)).toEqual([
      'reason',
      'code',
      'ticks',
      'instructions',
      'traps',
      'hypercalls',
      'traceHash',
      'stateHash',
      'seconds',
    ]);
    expect(r.last).toMatchObject({ reason: 'poweroff', code: 0, hypercalls: { console_io: 3, sched_op: 1 } });
  });
  it('boots a kernel as the privileged domain', () => {
    const r = boot(HELLO, '--initdomain', '--audit');
    expect([r.code, r.out.split('\n')[0]]).toEqual([0, 'I am a kernel in ring 1.']);
    expect(r.err).toContain('audit: 0 differences');
  });

  it('says 5 at a limit, and the rest of the run from a saved image gives the same hashes', () => {
    const file = join(folder, 'saved');
    const whole = boot(HELLO, '--json');
    expect(boot(HELLO, '--max-ticks', '100', '--json')).toMatchObject({ code: 5, last: { reason: 'limit' } });
    expect(boot(HELLO, '--save-at', '100', file).code).toBe(0);
    const rest = boot('--restore', file, '--json');
    expect([rest.last['traceHash'], rest.last['stateHash']]).toEqual([
      whole.last['traceHash'],
      whole.last['stateHash'],
    ]);
    writeFileSync(file, readFileSync(file).subarray(0, 5000));
    expect(boot('--restore', file)).toMatchObject({
      code: 2,
      err: expect.stringContaining('it was cut or padded'),
    });
  });

  it('says 4 after a crash, with ring, registers, last traps and a backtrace', () => {
    // hello's first instruction becomes ud2: there is no trap table, so the domain cannot go on.
    const bytes = readFileSync(HELLO);
    const at = bytes.indexOf(Buffer.from([0xba, 0x74, 0x11, 0x00, 0xc0]));
    expect(at).toBeGreaterThan(0);
    bytes.set([0x0f, 0x0b], at);
    const broken = join(folder, 'broken.elf');
    writeFileSync(broken, bytes);
    const r = boot(broken);
    expect(r.code).toBe(4);
    expect(r.err).toMatch(/domain 1 \(broken\) crashed in ring 1 at c0000120/);
    expect(r.err).toMatch(/backtrace:\n {2}#0 c0000120/);
    expect(r.err).toMatch(/last traps:/);
  });

  it('refuses bad usage and bad images by name, with 2', () => {
    expect(boot()).toMatchObject({ code: 2, out: '', err: expect.stringContaining('an image is needed') });
    expect(boot('nowhere.elf')).toMatchObject({ code: 2, err: expect.stringContaining('nowhere.elf') });
    expect(boot('package.json')).toMatchObject({
      code: 2,
      err: expect.stringContaining('no ELF executable at offset 0x0'),
    });
    expect(boot(HELLO, '--engine', 'fast')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--engine knows reference'),
    });
    expect(boot(HELLO, '--memory', '1')).toMatchObject({ code: 2 });
  });

  it('writes a trace of one JSON record a line', () => {
    const file = join(folder, 'trace');
    boot(HELLO, '--trace', file);
    const records = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as { seq: number; type: string });
    expect(records.map((r) => r.seq)).toEqual(records.map((_, i) => i + 1));
    expect(records.filter((r) => r.type === 'console').length).toBe(3);
  });
});

describe('options', () => {
  it('let a command line hold commas', () => {
    expect(bootOptions(['a', '--domain', 'b,memory=16,cmdline=x=1,2 y']).domains[1]).toEqual({
      path: 'b',
      memoryMiB: 16,
      cmdline: 'x=1,2 y',
      privileged: false,
    });
  });
});

describe('ringside boot --type bare', () => {
  it('keeps its configuration when a restored machine is saved again', () => {
    const [one, two] = [join(folder, 'bare1'), join(folder, 'bare2')];
    const whole = boot('--type', 'bare', 'public/guests/bare/modes.elf', '--json');
    boot('--type', 'bare', 'public/guests/bare/modes.elf', '--save-at', '5000', one);
    boot('--restore', one, '--save-at', '8000', two);
    const { seconds: _a, ...rest } = boot('--restore', two, '--json').last;
    const { seconds: _b, ...first } = whole.last;
    expect(rest).toEqual(first);
  });

  /** mov dx,3f8h; al='A'; out; then out E9h (POST), out 402h (debug), exit port with 300h+7, at the reset vector of a 64 KiB ROM. */
  const rom = new Uint8Array(0x10000).fill(0xf4);
  rom.set([0xea, 0x00, 0x00, 0x00, 0xf0], 0xfff0);
  rom.set(
    [
      0xba, 0xf8, 0x03, 0xb0, 0x41, 0xee, 0xb0, 0x9c, 0xe6, 0xe9, 0xba, 0x02, 0x04, 0xb0, 0x0a, 0xee, 0xb8,
      0x07, 0x03, 0xe7, 0xf4, 0xf4,
    ],
    0,
  );
  const file = join(folder, 'rom.bin');
  writeFileSync(file, rom);
  const PORTS = ['--debug-port', '0x402', '--post-port', '0xe9', '--exit-port', '0xf4'];

  it('runs a ROM: COM1 and the debug port on stdout, POST bytes as lines on stderr, the exit port’s low byte as code', () => {
    const r = boot('--type', 'bare', '--rom', file, ...PORTS, '--json');
    expect([r.code, r.out, r.err.includes('post 9c\n')]).toEqual([7, 'A\n', true]);
    expect(r.last).toMatchObject({ reason: 'exit', code: 7 });
    const saved = join(folder, 'bare');
    boot('--type', 'bare', '--rom', file, ...PORTS, '--save-at', '3', saved);
    const rest = boot('--restore', saved, '--json');
    expect([rest.last['traceHash'], rest.last['stateHash']]).toEqual([
      r.last['traceHash'],
      r.last['stateHash'],
    ]);
  });

  it('shows an unfinished line at a limit', () => {
    const r = boot('--type', 'bare', '--rom', file, '--max-ticks', '5');
    expect([r.code, r.out]).toEqual([5, 'A']);
  });

  it('ends as shells expect when the reader of its console leaves', () => {
    const chatter = new Uint8Array(0x10000);
    chatter.set([0xba, 0xf8, 0x03, 0xb0, 0x41, 0xee, 0xb0, 0x0a, 0xee, 0xeb, 0xf8], 0xffe0);
    chatter.set([0xeb, 0xee], 0xfff0); // jmp FFE0: 'A' and a newline to COM1 for ever
    const path = join(folder, 'chatter.bin');
    writeFileSync(path, chatter);
    const command = `node --import tsx src/cli/main.ts boot --type bare --rom ${path} --timeout 60`;
    const r = spawnSync('sh', ['-c', `{ ${command}; echo $? >&2; } | head -1`], { encoding: 'utf8' });
    expect([r.stdout, r.stderr]).toEqual(['A\n', '141\n']);
  });

  it('takes what a pipe brings late, and waits for no more once it ends', () => {
    const echo = new Uint8Array(0x10000);
    // mov dx,3FDh; l: in al,dx; test al,1; jz l; mov dl,F8h; in al,dx; out dx,al; cmp al,'q'; je end; mov dl,FDh; jmp l; end: hlt
    const poll = [0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0xb2, 0xf8];
    echo.set([...poll, 0xec, 0xee, 0x3c, 0x71, 0x74, 0x04, 0xb2, 0xfd, 0xeb, 0xef, 0xf4], 0xffc0);
    echo.set([0xeb, 0xce], 0xfff0);
    const path = join(folder, 'echo.bin');
    writeFileSync(path, echo);
    const command = `node --import tsx src/cli/main.ts boot --type bare --rom ${path} --input - --timeout 60`;
    const r = spawnSync('sh', ['-c', `(printf a; sleep 2; printf bq; sleep 2) | ${command}; echo $?`], {
      encoding: 'utf8',
    });
    expect(r.stdout).toBe('abq5\n');
    const directory = spawnSync('sh', ['-c', `${command} < ${folder}`], { encoding: 'utf8' });
    expect([directory.status, directory.stderr]).toEqual([2, expect.stringContaining('a directory')]);
  });

  it('is not compared on what two machines cannot both read', () => {
    const args = ['--import', 'tsx', 'src/cli/main.ts', 'lockstep', HELLO, '--input', '-'];
    const r = spawnSync(process.execPath, args, { encoding: 'utf8', input: 'x' });
    expect([r.status, r.stderr]).toEqual([2, expect.stringContaining('takes --input from a file')]);
  });

  it('says halted and triple fault by name', () => {
    const silent = boot('--type', 'bare', '--rom', file, '--json');
    expect([silent.code, silent.last['reason']]).toEqual([5, 'halted']);
    const bad = new Uint8Array(0x10000);
    bad.set([0x0f, 0x01, 0x1e, 0x00, 0x00, 0xcc], 0xfff0); // lidt [0] loads a limit of zero, then INT3
    writeFileSync(join(folder, 'bad.bin'), bad);
    const r = boot('--type', 'bare', '--rom', join(folder, 'bad.bin'), '--json');
    expect([r.code, r.last['reason']]).toEqual([4, 'triple-fault']);
    expect(r.err).toMatch(/triple fault: #GP, #GP, #DF, #GP, each .*\n {2}eax=/);
  });

  it('names what does not belong together', () => {
    expect(boot('--type', 'bare').err).toContain('an image or a --rom');
    expect(boot(HELLO, '--exit-port', '1').err).toContain('belongs to --type bare');
    expect(boot('--type', 'bare', HELLO).err).toContain('no multiboot header');
    writeFileSync(join(folder, 'big.bin'), new Uint8Array(2 << 20));
    expect(boot('--type', 'bare', '--rom', join(folder, 'big.bin'), '--memory', '239').err).toMatch(
      /1 to 237 MiB/,
    );
    expect(boot('--type', 'bare', '--rom', file, '--audit').err).toContain('--audit belongs to Xen');
  });
});
