// `ringside boot`: the same machine headless. Guest consoles go to stdout and nothing else does.

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { auditMachine } from '../hypervisor/audit.ts';
import { ImageError } from '../hypervisor/image.ts';
import { hypercallName } from '../hypervisor/hypercalls.ts';
import { attachBare } from '../machine/bare.ts';
import { unsaid } from '../machine/devices/console.ts';
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
import { LiveInput, roomFor } from './live-input.ts';
import { engineChoice } from './engine-code.ts';
import { fileBytes, fileTrouble } from './files.ts';
import { startHosts } from './hosts.ts';
import { Interrupt } from './interrupt.ts';
import { type BootBare, type BootOptions, bootOptions, DEFAULT_EPOCH, USAGE, UsageError } from './options.ts';
import { TraceFile } from './trace-file.ts';

/** Size of the one memory of a headless machine in MiB. */
const MEMORY_MIB = 256;
/** Guest output leaves within 5 ms of being written: at most so many of a turn of the machine, and what an engine may run on then (2 ms of the slowest). */
const TURN_MS = 2,
  LONGEST_SLICE = 20_000;
export const NEVER_TICKS = Number.MAX_SAFE_INTEGER;

interface SavedAbout {
  readonly config: LabConfig;
  readonly log: readonly InputEntry[];
}

/** Runs the command; returns its exit code. With --json the last line on stderr is the summary, whatever happened. */
export async function run(
  argv: string[],
  _out: (text: string) => void,
  err: (text: string) => void,
): Promise<number> {
  try {
    return await boot(bootOptions(argv), err);
  } catch (error) {
    const [reason, code, text] = failure(error);
    err(text);
    if (argv.includes('--json')) err(`${JSON.stringify({ ...NOTHING_RAN, reason, code })}\n`);
    return code;
  }
}

/** What --json says where no machine came to its end. */
const NOTHING_RAN = {
  reason: '',
  code: 0,
  ticks: 0,
  instructions: 0,
  traps: {},
  hypercalls: {},
  traceHash: '',
  stateHash: '',
  seconds: 0,
};
const BAD_USAGE = 2;
/** An error of ours, not of what was asked for. */
const OUR_ERROR = 70;

/** Reason, exit code and text of an error that ended the command. */
function failure(error: unknown): [reason: string, code: number, text: string] {
  if (error instanceof UsageError) return ['usage', BAD_USAGE, `ringside boot: ${error.message}\n${USAGE}`];
  if (error instanceof ImageError || error instanceof ImageFileError)
    return ['image', BAD_USAGE, `ringside boot: ${error.message}\n`];
  const trouble = fileTrouble(error);
  if (trouble !== undefined) return ['file', BAD_USAGE, `ringside boot: ${trouble}\n`];
  return ['error', OUR_ERROR, `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`];
}

async function boot(options: BootOptions, err: (text: string) => void): Promise<number> {
  const started = performance.now();
  const files = new Map<string, Uint8Array>();
  const load = (path: string): string => {
    const bytes = fileBytes(path);
    const sha = createHash('sha256').update(bytes).digest('hex');
    files.set(sha, bytes);
    return sha;
  };
  for (const name of options.ignored)
    err(`ringside boot: --${name} is part of the saved machine and is not looked at\n`);
  const live = options.input === '-' && options.restore === undefined ? await LiveInput.open() : undefined;
  const { timeline, config: restoredConfig } =
    options.restore === undefined
      ? { timeline: newTimeline(options, load, files, live), config: undefined }
      : restored(options, options.restore);
  const { machine } = timeline;
  const hosts = await startHosts(timeline, options);
  const writer = new ConsoleWriter(timeline.history, machine.m, process.stdout.isTTY);
  const traceFile = options.trace === undefined ? undefined : new TraceFile(options.trace, timeline.history);
  timeline.onRecord = (seq) => {
    writer.record(seq);
    traceFile?.record(seq);
  };
  timeline.begin();
  if (live && process.stdin.isTTY) err('ringside boot: what you type goes to the guest; Ctrl-] ends\r\n');
  let result: RunResult;
  let limited = false;
  let differences = 0;
  const interrupt = new Interrupt();
  let saving = options.saveAt;
  const save = (path: string): void => {
    saving = undefined;
    const about: SavedAbout = {
      config: restoredConfig ?? config(options),
      log: timeline.log.entries,
    };
    writeFileSync(path, saveImage(machine.frames, about));
  };
  if (saving && timeline.T >= saving.T) save(saving.path);
  for (;;) {
    const slice = performance.now();
    live?.pass(timeline, firstDomain(options));
    result = timeline.run({
      untilT: saving?.T ?? NEVER_TICKS,
      untilTicks: options.maxTicks,
      hostSlice: Math.min(options.hostSlice, LONGEST_SLICE),
      hosts: options.hosts,
      pause: () => performance.now() - slice > TURN_MS,
    });
    // Whoever waits for a person will not say more.
    writer.passed(result.kind === 'paused' ? timeline.T : Infinity);
    if (writer.gone) interrupt.signal ??= 'SIGPIPE';
    if (saving && timeline.T >= saving.T) save(saving.path);
    if (options.audit) {
      for (const d of auditMachine(machine.m)) {
        if (differences++ < 20) err(`audit: ${d}\n`);
      }
    }
    if (result.kind === 'ended' || live?.left || interrupt.signal !== undefined) break;
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
  interrupt.end();
  if (saving)
    err(
      `ringside boot: the run ended at T = ${timeline.T}, before --save-at ${saving.T}: nothing was saved\n`,
    );
  if (!isXen(machine)) {
    const { channel, bytes } = unsaid(machine.chipset);
    writer.fromBare(channel, bytes);
  }
  traceFile?.end();
  const reason =
    interrupt.signal !== undefined && result.kind !== 'ended'
      ? 'interrupted'
      : limited
        ? 'limit'
        : result.kind === 'waiting'
          ? 'idle'
          : stopReason(machine.m);
  if (reason === 'crash' || reason === 'panic' || reason === 'triple-fault')
    err(onXen(timeline) ? crashReport(timeline, (sha) => files.get(sha)) : bareReport(timeline, reason));
  if (options.audit) err(`audit: ${differences} differences\n`);
  const code = differences > 0 ? AUDIT_FAILED : exitCode(machine, reason, interrupt.code);
  const seconds = (performance.now() - started) / 1000;
  if (options.json) err(`${JSON.stringify(summary(machine, reason, code, seconds, options.hosts))}\n`);
  else if (limited) err(`ringside boot: limit reached after ${timeline.ticks} ticks\n`);
  return code;
}

function exitCode({ m }: LabMachine, reason: string, interrupted: number): number {
  if (reason === 'interrupted') return interrupted;
  if (reason === 'exit') return m.r32(HEADER + MACHINE.stopCode);
  return EXIT_CODES[reason] ?? 5;
}
const AUDIT_FAILED = 4;

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

function config(options: BootOptions): LabConfig {
  const shaOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
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
function build(options: BootOptions, images: Images): LabMachine {
  const m = allocate(MEMORY_MIB, options.hosts > 1);
  const { bare, epochSec } = config(options);
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
  startAll(machine, config(options), images);
  return machine;
}

/** The domain whose console --input goes to; the number means nothing to a bare machine. */
const firstDomain = ({ domains }: BootOptions): number => (domains[0]?.privileged ? 0 : 1);

/** A machine as the options say, with its log of input; nothing has run. `live` is standard input, where --input means that. */
export function newTimeline(
  options: BootOptions,
  load: (path: string) => string,
  files: ReadonlyMap<string, Uint8Array>,
  live?: LiveInput,
): Timeline<LabMachine> {
  for (const d of options.domains) {
    load(d.path);
    if (d.ramdisk !== undefined) load(d.ramdisk);
  }
  for (const path of [options.bare?.path, options.bare?.ramdisk, options.bare?.rom])
    if (path !== undefined) load(path);
  const input = live?.take(Infinity) ?? (options.input === undefined ? [] : [...fileBytes(options.input)]);
  const images = (sha: string): Uint8Array | undefined => files.get(sha);
  const machine = build(options, images);
  const timeline = new Timeline(machine, images, { hostSlice: options.hostSlice });
  const domid = firstDomain(options);
  const room = roomFor(machine, domid);
  if (live?.ended === false || input.length > 0)
    timeline.log.append({ kind: 'console', domid, bytes: input, hold: true });
  const taken = room - roomFor(machine, domid);
  if (taken < input.length)
    throw new UsageError(
      `--input is longer than the ${taken} bytes that this machine can keep for its guest`,
    );
  if (live?.ended !== false) timeline.log.append({ kind: 'closeInput' });
  return timeline;
}

/** The machine of a saved image, with the configuration it was built from: saving it again must not lose that. */
function restored(
  options: BootOptions,
  path: string,
): { readonly timeline: Timeline<LabMachine>; readonly config: LabConfig | undefined } {
  const file = fileBytes(path);
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
  return { timeline, config: about?.config };
}

/** The line that --json ends with; `code` is the exit code of the command. */
function summary(
  machine: LabMachine,
  reason: string,
  code: number,
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
    code,
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
