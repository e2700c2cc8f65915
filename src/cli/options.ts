// The options of `ringside boot`, parsed and checked: whatever is wrong is named, with what would be right.

import { parseArgs } from 'node:util';
import { DEFAULT_ENGINE, ENGINES, type EngineName } from '../cpu/engine.ts';

export class UsageError extends Error {}

export interface BootDomain {
  readonly path: string;
  readonly memoryMiB: number;
  readonly cmdline: string;
  readonly ramdisk?: string;
  readonly privileged: boolean;
}
export interface BootBare {
  /** A multiboot image; undefined: the ROM's reset vector. */
  readonly path?: string;
  readonly ramdisk?: string;
  readonly rom?: string;
  readonly memoryMiB: number;
  readonly cmdline: string;
  readonly debugPort?: number;
  readonly postPort?: number;
  readonly exitPort?: number;
}
export interface BootOptions {
  readonly domains: readonly BootDomain[];
  /** The bare machine, when it is asked for in place of Xen. */
  readonly bare?: BootBare;
  readonly input: string | undefined;
  readonly engine: EngineName;
  readonly hosts: number;
  readonly hostSlice: number;
  readonly schedSlice: number;
  readonly maxTicks: number;
  readonly timeoutSeconds: number;
  readonly trace: string | undefined;
  readonly saveAt: { readonly T: number; readonly path: string } | undefined;
  readonly restore: string | undefined;
  /** Options beside --restore that the saved machine has already answered. */
  readonly ignored: readonly string[];
  readonly audit: boolean;
  readonly json: boolean;
}

export const USAGE = `usage: ringside boot IMAGE [--type pv] [--ramdisk F] [--cmdline S] [--memory MiB] [--initdomain]
       [--domain IMAGE[,memory=MiB][,cmdline=S]]… [--input F|-] [--engine ${ENGINES.join('|')}] [--hosts N] [--host-slice TICKS]
       [--sched-slice TICKS] [--max-ticks N] [--timeout S] [--trace F] [--save-at T F] [--restore F] [--audit] [--json]
       ringside boot --type bare [IMAGE] [--rom F] [--ramdisk F] [--cmdline S] [--memory MiB] [--debug-port P] [--post-port P]
       [--exit-port P], and the options above from --input on but --sched-slice and --audit
IMAGE of a bare machine is a multiboot image; a ROM ends at 4 GiB and its last 256 KiB are also below 1 MiB, in RAM.
COM1 and the debug port go to stdout, each byte of the POST port is a line “post XX” on stderr.
exit codes: 0 power-off, 3 reboot, 4 crash, 5 limit, idle or halted, 2 bad usage or image; the low byte of what is written to the exit port
`;

/** Ticks of a round-robin slice when nothing else is asked for: 300 µs of machine time. */
export const DEFAULT_SCHED_SLICE = 30_000;
export const DEFAULT_EPOCH = 1_790_000_000;

const number = (
  name: string,
  text: string | undefined,
  fallback: number,
  min: number,
  max: number,
): number => {
  if (text === undefined) return fallback;
  const n = Number(text);
  if (
    text.trim() === '' ||
    !Number.isFinite(n) ||
    n < min ||
    n > max ||
    (name !== '--timeout' && !Number.isInteger(n))
  ) {
    throw new UsageError(`${name} takes a number from ${min} to ${max}, not “${text}”`);
  }
  return n;
};

/** --domain IMAGE,memory=16,cmdline=a b c: cmdline takes the rest of the text, commas included. */
function domainOption(text: string): BootDomain {
  const [path, ...rest] = text.split(',');
  let memory: string | undefined,
    cmdline = '',
    ramdisk: string | undefined;
  for (let i = 0; i < rest.length; i++) {
    const [key, ...value] = rest[i]!.split('=');
    if (key === 'memory') memory = value.join('=');
    else if (key === 'ramdisk') ramdisk = value.join('=');
    else if (key === 'cmdline') {
      cmdline = [value.join('='), ...rest.slice(i + 1)].join(',');
      break;
    } else throw new UsageError(`--domain knows memory=, ramdisk= and cmdline=, not “${rest[i]}”`);
  }
  if (!path) throw new UsageError('--domain needs an image');
  return {
    path,
    memoryMiB: number('memory=', memory, 32, 1, 200),
    cmdline,
    privileged: false,
    ...(ramdisk ? { ramdisk } : {}),
  };
}

/** Options that say how a machine is built. */
const BUILT = [
  'domain',
  'memory',
  'cmdline',
  'ramdisk',
  'initdomain',
  'sched-slice',
  'input',
  'rom',
] as const;

/** Parses argv of `ringside boot`; throws UsageError. */
export function bootOptions(argv: string[]): BootOptions {
  // --save-at takes two values, which parseArgs does not know: they are taken out first.
  const rest: string[] = [];
  let saveAt: { T: number; path: string } | undefined;
  for (let i = 0; i < argv.length; i++) {
    // The guest's words may begin with a dash, which parseArgs takes for options.
    if (argv[i] === '--cmdline' && argv[i + 1] !== undefined) {
      rest.push(`--cmdline=${argv[++i]}`);
      continue;
    }
    if (argv[i] !== '--save-at') {
      rest.push(argv[i]!);
      continue;
    }
    const T = argv[++i],
      path = argv[++i];
    if (T === undefined || path === undefined) throw new UsageError('--save-at takes a tick and a file');
    saveAt = { T: number('--save-at', T, 0, 0, Number.MAX_SAFE_INTEGER), path };
  }
  const text = { type: 'string' } as const,
    flag = { type: 'boolean' } as const;
  let parsed: ReturnType<typeof parse>;
  function parse() {
    return parseArgs({
      args: rest,
      allowPositionals: true,
      strict: true,
      options: {
        type: text,
        rom: text,
        'debug-port': text,
        'post-port': text,
        'exit-port': text,
        ramdisk: text,
        cmdline: text,
        memory: text,
        initdomain: flag,
        domain: { type: 'string', multiple: true },
        input: text,
        engine: text,
        hosts: text,
        'host-slice': text,
        'sched-slice': text,
        'max-ticks': text,
        timeout: text,
        trace: text,
        restore: text,
        audit: flag,
        json: flag,
      },
    });
  }
  try {
    parsed = parse();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const { values: o, positionals } = parsed;
  if (o.type !== undefined && o.type !== 'pv' && o.type !== 'bare')
    throw new UsageError(`--type knows pv and bare, not “${o.type}”`);
  const onBare = o.type === 'bare';
  const engine = (o.engine ?? DEFAULT_ENGINE) as EngineName;
  if (!ENGINES.includes(engine))
    throw new UsageError(`--engine knows ${ENGINES.join(', ')}, not “${o.engine}”`);
  if (positionals.length > 1)
    throw new UsageError(`one image at a time; “${positionals[1]}” is too many (use --domain for more)`);
  if (positionals.length === 0 && o.restore === undefined && o.rom === undefined)
    throw new UsageError(onBare ? 'an image or a --rom is needed' : 'an image is needed');
  for (const name of ['rom', 'debug-port', 'post-port', 'exit-port'] as const)
    if (!onBare && o[name] !== undefined) throw new UsageError(`--${name} belongs to --type bare`);
  for (const name of ['initdomain', 'domain', 'sched-slice', 'audit'] as const)
    if (onBare && o[name] !== undefined) throw new UsageError(`--${name} belongs to Xen, not to --type bare`);
  if (positionals.length === 1 && o.restore !== undefined)
    throw new UsageError('--restore brings its own domains: leave the image out');
  const port = (name: 'debug-port' | 'post-port' | 'exit-port'): number | undefined =>
    o[name] === undefined ? undefined : number(`--${name}`, o[name], 0, 0, 0xffff);
  const debugPort = port('debug-port'),
    postPort = port('post-port'),
    exitPort = port('exit-port');
  const bare: BootBare = {
    memoryMiB: onBare ? number('--memory', o.memory, 64, 1, 239) : 0,
    cmdline: o.cmdline ?? '',
    ...(positionals[0] === undefined ? {} : { path: positionals[0] }),
    ...(o.ramdisk === undefined ? {} : { ramdisk: o.ramdisk }),
    ...(o.rom === undefined ? {} : { rom: o.rom }),
    ...(debugPort === undefined ? {} : { debugPort }),
    ...(postPort === undefined ? {} : { postPort }),
    ...(exitPort === undefined ? {} : { exitPort }),
  };
  const first: BootDomain[] = (onBare ? [] : positionals).map((path) => ({
    path,
    memoryMiB: number('--memory', o.memory, 32, 1, 200),
    cmdline: o.cmdline ?? '',
    privileged: o.initdomain ?? false,
    ...(o.ramdisk ? { ramdisk: o.ramdisk } : {}),
  }));
  return {
    domains: [...first, ...(o.domain ?? []).map(domainOption)],
    ...(onBare ? { bare } : {}),
    input: o.input,
    engine,
    hosts: number('--hosts', o.hosts, 1, 1, 8),
    hostSlice: number('--host-slice', o['host-slice'], 20_000, 1, 1e9),
    schedSlice: number('--sched-slice', o['sched-slice'], DEFAULT_SCHED_SLICE, 1, 1e9),
    maxTicks: number('--max-ticks', o['max-ticks'], Number.MAX_SAFE_INTEGER, 1, Number.MAX_SAFE_INTEGER),
    timeoutSeconds: number('--timeout', o.timeout, Infinity, 0, 1e9),
    trace: o.trace,
    saveAt,
    restore: o.restore,
    ignored: o.restore === undefined ? [] : BUILT.filter((name) => o[name] !== undefined),
    audit: o.audit ?? false,
    json: o.json ?? false,
  };
}
