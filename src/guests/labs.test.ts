// The lab guests on our hypervisor, headless: they must say what their lessons rely on.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

interface IndexEntry {
  name: string;
  image: string;
  memory: number;
  cmdline: string;
}
interface Machine {
  name: string;
  schedSlice?: number;
  domains: { guest: string; cmdline: string }[];
}

const folder = 'public/guests';
const index = JSON.parse(readFileSync(`${folder}/index.json`, 'utf8')) as {
  labs: IndexEntry[];
  machines: Machine[];
};

/** `ringside boot …`: its console as lines, and its exit code. */
function boot(...options: string[]): Promise<{ lines: string[]; code: number; errors: string }> {
  const child = spawn('node', ['--import', 'tsx', 'src/cli/main.ts', 'boot', ...options]);
  const output = { out: '', errors: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.errors += text));
  return new Promise((resolve) => {
    child.on('close', (code) => {
      const lines = output.out.replaceAll('\r', '').trimEnd().split('\n');
      resolve({ lines, code: code ?? -1, errors: output.errors });
    });
  });
}

const bootGuest = (guest: IndexEntry, ...options: string[]) =>
  boot(`${folder}/${guest.image}`, '--memory', `${guest.memory}`, '--timeout', '100', ...options);

const lab = (name: string) => index.labs.find((entry) => entry.name === name)!;

/** How the lines of each begin. */
const SAID_BY = { ping: /^(ping\b|<-)/, pong: /^(pong\b|->)/ };

/** Ping and pong on one machine; returns the lines of each. */
async function converse(cmdlines: [string, string], ...options: string[]) {
  const second = `${folder}/${lab('pong').image},memory=8,cmdline=${cmdlines[1]}`;
  const first = [`${folder}/${lab('ping').image}`, '--memory', '8', '--cmdline', cmdlines[0]];
  const run = await boot(...first, '--domain', second, '--timeout', '100', ...options);
  const of = (who: keyof typeof SAID_BY) => run.lines.filter((line) => SAID_BY[who].test(line));
  return { ...run, ping: of('ping'), pong: of('pong') };
}

describe('labs', () => {
  it('hello prints its three lines and powers off', async () => {
    const run = await bootGuest(lab('hello'));
    expect(run.lines).toEqual([
      'I am a kernel in ring 1.',
      'Xen left me a note: xen-3.0-x86_32p',
      'Goodbye.',
    ]);
    expect(run.code).toBe(0);
  });

  it('rings meets the four outcomes and the three doors', async () => {
    const { lines, code } = await bootGuest(lab('rings'), '--audit');
    const text = lines.join('\n');
    expect(code, text).toBe(0);
    expect(text).toContain('1. cli: refused. 1 #GP');
    expect(text).toContain('The frame of my own top page table');
    expect(text).toContain('3. int 0x82: served. Xen says it is version 4.17');
    expect(text).toContain('4. popf with IF=0: IF is 1.');
    expect(text).toContain('so I am in ring 1');
    expect(text).toContain('knock 1: from ring 3 to ring 1, event mask 0 before and 0 now: straight to me');
    expect(text).toContain(
      'knock 2: from ring 3 to ring 1, event mask 0 before and 1 now: somebody was here before me',
    );
    expect(text).toContain('#GP: ring 3 tried int 0x82, error code 0x412.');
    expect(text).toContain('7. int 0x82 from ring 1: answer 0');
    expect(text).toContain('8. mmu_update, my own page table writable for me: answer -16');
  });

  it('the starter says whose kernel it is', async () => {
    const run = await bootGuest(lab('starter'));
    expect(run.lines[0]).toBe('This is the kernel of nobody yet.');
    expect(run.lines[1]).toMatch(/^I have \d+ pages, from Xen 4\.17\.$/);
    expect(run.code).toBe(0);
  });

  for (const slice of [1000, 7777, 30000, 1000000]) {
    it(`ping and pong exchange every message with slices of ${slice} ticks`, async () => {
      const run = await converse(['count=25', 'peer=1'], '--sched-slice', `${slice}`, '--audit');
      const numbers = Array.from({ length: 25 }, (_, i) => i + 1);
      const said = run.ping.filter((line) => /^(ping|<- pong)/.test(line) && !line.startsWith('ping:'));
      expect(said, run.errors).toEqual(numbers.flatMap((n) => [`ping ${n} ->`, `<- pong ${n}`]));
      expect(run.ping.at(-1)).toBe('ping: the page is mine alone again');
      expect(run.pong.filter((line) => line.startsWith('-> ping'))).toEqual(
        numbers.map((n) => `-> ping ${n}`),
      );
      expect(run.pong.at(-1)).toBe('pong: page given back, status 0');
      expect(run.code).toBe(0);
    });
  }

  it('pong may boot first', async () => {
    const first = [`${folder}/${lab('pong').image}`, '--memory', '8', '--cmdline', 'peer=2'];
    const second = `${folder}/${lab('ping').image},memory=8,cmdline=count=3`;
    const run = await boot(...first, '--domain', second, '--timeout', '100');
    expect(run.lines, run.errors).toContain('<- pong 3');
    expect(run.code).toBe(0);
  });

  it('without the re-check the conversation dies, at a message that the slice decides, every time the same', async () => {
    const { domains } = index.machines.find((machine) => machine.name === 'silence')!;
    const cmdlines = domains.map((domain) => domain.cmdline) as [string, string];
    const short = await converse(cmdlines, '--sched-slice', '20000');
    const long = await converse(cmdlines, '--sched-slice', '60000');
    const again = await converse(cmdlines, '--sched-slice', '60000');
    for (const run of [short, long]) {
      expect(run.code, run.errors).toBe(5);
      expect(run.ping.filter((line) => line.startsWith('<- pong')).length).toBeGreaterThan(1);
      expect(run.ping.join()).not.toContain('mine alone');
    }
    expect(long.ping.length).toBeGreaterThan(short.ping.length);
    expect(again.lines).toEqual(long.lines);
  });
});
