// The options of `ringside boot`, parsed and checked: whatever is wrong is named, with what would be right.

import { parseArgs } from 'node:util';
import { ENGINES, type EngineName } from '../cpu/engine.ts';

export class UsageError extends Error {}

export interface BootDomain {
  readonly path: string;
  readonly memoryMiB: number;
  readonly cmdline: string;
  readonly ramdisk?: string;
  readonly privileged: boolean;
}
export interface BootOptions {
  readonly domains: readonly BootDomain[];
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
  readonly audit: boolean;
  readonly json: boolean;
}

export const USAGE = `usage: ringside boot IMAGE [--type pv] [--ramdisk F] [--cmdline S] [--memory MiB] [--initdomain]
       [--domain IMAGE[,memory=MiB][,cmdline=S]]… [--input F|-] [--engine ${ENGINES.join('|')}] [--hosts N] [--host-slice TICKS]
       [--sched-slice TICKS] [--max-ticks N] [--timeout S] [--trace F] [--save-at T F] [--restore F] [--audit] [--json]
exit codes: 0 power-off, 3 reboot, 4 crash, 5 limit, idle or halted, 2 bad usage or image
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
  if (!Number.isFinite(n) || n < min || n > max || (name !== '--timeout' && !Number.isInteger(n))) {
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

/** Parses argv of `ringside boot`; throws UsageError. */
export function bootOptions(argv: string[]): BootOptions {
  // --save-at takes two values, which parseArgs does not know: take them out first.
  const rest: string[] = [];
  let saveAt: { T: number; path: string } | undefined;
  for (let i = 0; i < argv.length; i++) {
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
  if (o.type !== undefined && o.type !== 'pv') throw new UsageError(`--type knows pv, not “${o.type}”`);
  const engine = (o.engine ?? 'reference') as EngineName;
  if (!ENGINES.includes(engine))
    throw new UsageError(`--engine knows ${ENGINES.join(', ')}, not “${o.engine}”`);
  if (positionals.length > 1)
    throw new UsageError(`one image at a time; “${positionals[1]}” is too many (use --domain for more)`);
  if (positionals.length === 0 && o.restore === undefined) throw new UsageError('an image is needed');
  if (positionals.length === 1 && o.restore !== undefined)
    throw new UsageError('--restore brings its own domains: leave the image out');
  const first: BootDomain[] = positionals.map((path) => ({
    path,
    memoryMiB: number('--memory', o.memory, 32, 1, 200),
    cmdline: o.cmdline ?? '',
    privileged: o.initdomain ?? false,
    ...(o.ramdisk ? { ramdisk: o.ramdisk } : {}),
  }));
  return {
    domains: [...first, ...(o.domain ?? []).map(domainOption)],
    input: o.input,
    engine,
    hosts: number('--hosts', o.hosts, 1, 1, 8),
    hostSlice: number('--host-slice', o['host-slice'], 100_000, 1, 1e9),
    schedSlice: number('--sched-slice', o['sched-slice'], DEFAULT_SCHED_SLICE, 1, 1e9),
    maxTicks: number('--max-ticks', o['max-ticks'], Number.MAX_SAFE_INTEGER, 1, Number.MAX_SAFE_INTEGER),
    timeoutSeconds: number('--timeout', o.timeout, Infinity, 0, 1e9),
    trace: o.trace,
    saveAt,
    restore: o.restore,
    audit: o.audit ?? false,
    json: o.json ?? false,
  };
}
