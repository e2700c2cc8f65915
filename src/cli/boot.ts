// `ringside boot`: the same machine headless. Guest consoles go to stdout and nothing else does.

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { auditMachine } from '../hypervisor/audit.ts';
import { ImageError } from '../hypervisor/image.ts';
import { hypercallName } from '../hypervisor/hypercalls.ts';
import { attachBare } from '../machine/bare.ts';
import { inputRoom, unsaid } from '../machine/devices/console.ts';
import { type ImageHead, ImageFileError, loadImage, readImageHead, saveImage } from '../machine/image.ts';
import { stateHash } from '../machine/state-hash.ts';
import { stopReason } from '../machine/stop.ts';
import type { RunResult } from '../machine/run.ts';
import { CTL } from '../memory/frames.ts';
import { CONTROL, HEADER } from '../memory/map.ts';
import { allocate } from '../memory/memory.ts';
import { attachMachine, createMachine } from '../toolstack/assemble.ts';
import { COUNT_HYPERCALL, COUNT_VECTOR, MACHINE } from '../trace/recorder.ts';
import { startBare } from '../lab/bare-start.ts';
import { type Images, isXen, type LabMachine, startAll } from '../lab/inputs.ts';
import { Timeline } from '../lab/timeline.ts';
import { type BareSpec, type InputEntry, type LabConfig, MACHINE_VERSION } from '../lab/types.ts';
import { bareReport } from './bare-report.ts';
import { ConsoleWriter } from './console-writer.ts';
import { crashReport } from './crash-report.ts';
import { LiveInput } from './live-input.ts';
import { engineChoice } from './engine-code.ts';
import { startHosts } from './hosts.ts';
import { type BootBare, type BootOptions, bootOptions, DEFAULT_EPOCH, USAGE, UsageError } from './options.ts';
import { TraceFile } from './trace-file.ts';

/** Size of the one memory of a headless machine in MiB. */
const MEMORY_MIB = 256;
/** Guest output leaves within this many milliseconds of being written. */
const FLUSH_MS = 3;
export const NEVER_TICKS = Number.MAX_SAFE_INTEGER;

interface SavedAbout {
  readonly config: LabConfig;
  readonly log: readonly InputEntry[];
}

/** Runs the command; returns its exit code. */
export async function run(
  argv: string[],
  out: (text: string) => void,
  err: (text: string) => void,
): Promise<number> {
  try {
    return await boot(bootOptions(argv), err);
  } catch (error) {
    if (error instanceof UsageError) err(`ringside boot: ${error.message}\n${USAGE}`);
    else if (error instanceof ImageError || error instanceof ImageFileError)
      err(`ringside boot: ${error.message}\n`);
    else if (isMissing(error))
      err(`ringside boot: ${UNREADABLE[error.code]}${error.path === undefined ? '' : `: ${error.path}`}\n`);
    else throw error;
    return 2;
  } finally {
    out('');
  }
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EISDIR: 'a directory, not a file',
  EACCES: 'not readable for you',
  ENOTDIR: 'no such file',
};
const isMissing = (e: unknown): e is Error & { readonly code: string; readonly path?: string } =>
  e instanceof Error && 'code' in e && typeof e.code === 'string' && e.code in UNREADABLE;

async function boot(options: BootOptions, err: (text: string) => void): Promise<number> {
  const started = performance.now();
  const files = new Map<string, Uint8Array>();
  const load = (path: string): string => {
    const bytes = new Uint8Array(readFileSync(path));
    const sha = createHash('sha256').update(bytes).digest('hex');
    files.set(sha, bytes);
    return sha;
  };
  const timeline: Timeline<LabMachine> =
    options.restore === undefined ? newTimeline(options, load, files) : restored(options, options.restore);
  const { machine } = timeline;
  const hosts = await startHosts(timeline, options);
  const writer = new ConsoleWriter(timeline.history, machine.m);
  const traceFile = options.trace === undefined ? undefined : new TraceFile(options.trace, timeline.history);
  timeline.onRecord = (seq) => {
    writer.record(seq);
    traceFile?.record(seq);
  };
  timeline.begin();
  const live = LiveInput.wanted(options.input) ? new LiveInput() : undefined;
  if (live) err('ringside boot: what you type goes to the guest; Ctrl-] ends\r\n');
  let result: RunResult;
  let limited = false;
  let differences = 0;
  for (;;) {
    const slice = performance.now();
    live?.pass(timeline);
    const due = options.saveAt && timeline.T < options.saveAt.T ? options.saveAt.T : NEVER_TICKS;
    result = timeline.run({
      untilT: due,
      untilTicks: options.maxTicks,
      hostSlice: options.hostSlice,
      hosts: options.hosts,
      pause: () => performance.now() - slice > FLUSH_MS,
    });
    writer.flush();
    if (options.saveAt && timeline.T >= options.saveAt.T && due !== NEVER_TICKS) {
      writeFileSync(
        options.saveAt.path,
        saveImage(machine.frames, {
          config: config(options, files),
          log: timeline.log.entries,
        } satisfies SavedAbout),
      );
    }
    if (options.audit) {
      for (const d of auditMachine(machine.m)) {
        if (differences++ < 20) err(`audit: ${d}\n`);
      }
    }
    if (result.kind === 'ended' || live?.closed) break;
    if (result.kind === 'waiting') {
      if (!live) break;
      await live.more();
    }
    if (timeline.ticks >= options.maxTicks || (performance.now() - started) / 1000 > options.timeoutSeconds) {
      limited = true;
      break;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  live?.end();
  hosts.stop();
  if (!isXen(machine)) {
    const { channel, bytes } = unsaid(machine.chipset);
    writer.fromBare(channel, bytes);
  }
  writer.end();
  traceFile?.end();
  const reason = limited ? 'limit' : result.kind === 'waiting' ? 'idle' : stopReason(machine.m);
  if (reason === 'crash' || reason === 'panic' || reason === 'triple-fault')
    err(onXen(timeline) ? crashReport(timeline, (sha) => files.get(sha)) : bareReport(timeline, reason));
  if (options.audit) err(`audit: ${differences} differences\n`);
  if (options.json)
    err(`${JSON.stringify(summary(machine, reason, (performance.now() - started) / 1000, options.hosts))}\n`);
  else if (limited) err(`ringside boot: limit reached after ${timeline.ticks} ticks\n`);
  if (differences > 0) return 4;
  if (reason === 'exit') return machine.m.r32(HEADER + MACHINE.stopCode);
  return EXIT_CODES[reason] ?? 5;
}

const onXen = (timeline: Timeline<LabMachine>): timeline is Timeline => isXen(timeline.machine);

const EXIT_CODES: Readonly<Record<string, number>> = {
  poweroff: 0,
  suspend: 0,
  reboot: 3,
  crash: 4,
  panic: 4,
  'triple-fault': 4,
  idle: 5,
  halted: 5,
  limit: 5,
};

function config(options: BootOptions, files: ReadonlyMap<string, Uint8Array>): LabConfig {
  const shaOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
  void files;
  return {
    version: MACHINE_VERSION,
    memoryMiB: MEMORY_MIB,
    sliceTicks: options.schedSlice,
    epochSec: DEFAULT_EPOCH,
    ...(options.bare === undefined ? {} : { bare: bareSpec(options.bare, shaOf) }),
    domains: options.domains.map((d, i) => ({
      name:
        d.path
          .split('/')
          .pop()
          ?.replace(/\.[^.]*$/, '') || `domain${i + 1}`,
      image: shaOf(d.path),
      memoryMiB: d.memoryMiB,
      cmdline: d.cmdline,
      ...(d.ramdisk ? { ramdisk: shaOf(d.ramdisk) } : {}),
      ...(d.privileged ? { privileged: true } : {}),
    })),
  };
}

function bareSpec(bare: BootBare, shaOf: (path: string) => string): BareSpec {
  const { path, ramdisk, rom, ...rest } = bare;
  return {
    ...rest,
    name: (path ?? rom ?? '').split('/').pop() ?? '',
    ...(path === undefined ? {} : { image: shaOf(path) }),
    ...(ramdisk === undefined ? {} : { ramdisk: shaOf(ramdisk) }),
    ...(rom === undefined ? {} : { rom: shaOf(rom) }),
  };
}

/** The machine that the options describe, at T = 0. */
function build(options: BootOptions, images: Images, files: ReadonlyMap<string, Uint8Array>): LabMachine {
  const m = allocate(MEMORY_MIB, options.hosts > 1);
  const { bare, epochSec } = config(options, files);
  if (bare !== undefined) {
    try {
      return startBare(m, bare, epochSec, images, engineChoice(options.engine, options.hosts > 1));
    } catch (error) {
      if (error instanceof RangeError) throw new UsageError(error.message);
      throw error;
    }
  }
  const machine = createMachine(
    m,
    { sliceTicks: options.schedSlice, epochSec },
    engineChoice(options.engine, options.hosts > 1),
  );
  startAll(machine, config(options, files), images);
  return machine;
}

/** A machine as the options say, with its log of input; nothing has run. */
export function newTimeline(
  options: BootOptions,
  load: (path: string) => string,
  files: ReadonlyMap<string, Uint8Array>,
): Timeline<LabMachine> {
  for (const d of options.domains) {
    load(d.path);
    if (d.ramdisk !== undefined) load(d.ramdisk);
  }
  for (const path of [options.bare?.path, options.bare?.ramdisk, options.bare?.rom])
    if (path !== undefined) load(path);
  const input =
    options.input === undefined || LiveInput.wanted(options.input)
      ? undefined
      : new Uint8Array(readFileSync(options.input === '-' ? 0 : options.input));
  const images = (sha: string): Uint8Array | undefined => files.get(sha);
  const machine = build(options, images, files);
  const room = isXen(machine) ? Infinity : inputRoom(machine.chipset);
  if ((input?.length ?? 0) > room)
    throw new UsageError(`--input holds at most ${room} bytes beside this RAM and ROM`);
  const timeline = new Timeline(machine, images, { hostSlice: options.hostSlice });
  if (input && input.length > 0)
    timeline.log.append({ kind: 'console', domid: 1, bytes: [...input], hold: true });
  if (!LiveInput.wanted(options.input)) timeline.log.append({ kind: 'closeInput' });
  return timeline;
}

function restored(options: BootOptions, path: string): Timeline<LabMachine> {
  const file = new Uint8Array(readFileSync(path));
  const head: ImageHead = readImageHead(file);
  const m = allocate(head.memoryMiB, options.hosts > 1);
  const bare = (head.about as Partial<SavedAbout> | null)?.config?.bare !== undefined;
  const engine = engineChoice(options.engine, options.hosts > 1);
  const machine = bare ? attachBare(m, engine) : attachMachine(m, engine);
  loadImage(machine.frames, file);
  const timeline = new Timeline(machine, () => undefined, { hostSlice: options.hostSlice });
  const about = head.about as Partial<SavedAbout> | null;
  timeline.log.entries = [...(about?.log ?? [])];
  timeline.log.rewindTo(machine.trace.seq);
  return timeline;
}

/** The line that --json ends with. */
function summary(
  machine: LabMachine,
  reason: string,
  seconds: number,
  hosts: number,
): Record<string, unknown> {
  const { m, trace } = machine;
  const traps: Record<string, number> = {},
    hypercalls: Record<string, number> = {};
  for (let i = 0; i < 256; i++) if (m.u32[COUNT_VECTOR + i]) traps[i] = m.u32[COUNT_VECTOR + i]!;
  for (let i = 0; i < 64; i++)
    if (m.u32[COUNT_HYPERCALL + i]) hypercalls[hypercallName(i)] = m.u32[COUNT_HYPERCALL + i]!;
  return {
    reason,
    code: m.r32(HEADER + MACHINE.stopCode),
    ticks: m.r64(HEADER + MACHINE.T),
    instructions: m.r64(HEADER + MACHINE.instructions),
    traps,
    hypercalls,
    traceHash: trace.hash,
    stateHash: stateHash(m),
    seconds: Math.round(seconds * 1000) / 1000,
    ...(hosts > 1
      ? { hostTicks: Array.from({ length: hosts }, (_, i) => m.r64(CONTROL + CTL.hostTicks + 8 * i)) }
      : {}),
  };
}
