// `ringside lockstep IMAGE …`: boots the same machine on two engines and compares them every so many ticks. Takes the options of `boot`.

import { createHash } from 'node:crypto';
import { ENGINES, type EngineName } from '../cpu/engine.ts';
import { ImageError } from '../hypervisor/image.ts';
import { lockstep, type LockstepSide } from '../cpu/lockstep.ts';
import { NEVER_TICKS, newTimeline } from './boot.ts';
import { fileBytes, fileTrouble } from './files.ts';
import { bootOptions, UsageError } from './options.ts';

const USAGE = `usage: ringside lockstep IMAGE [--step TICKS] [options of boot]
exit codes: 0 no difference, 1 a difference, 2 bad usage or image
`;

/** Takes `--step N` or `--step=N` out of the arguments. */
function stepOption(argv: readonly string[]): { readonly step: number; readonly rest: string[] } {
  const at = argv.findIndex((word) => word === '--step' || word.startsWith('--step='));
  if (at < 0) return { step: 10_000, rest: [...argv] };
  const apart = argv[at] === '--step';
  const step = Number(apart ? argv[at + 1] : argv[at]!.slice('--step='.length));
  if (!Number.isInteger(step) || step < 1) throw new UsageError('--step takes a number of ticks');
  return { step, rest: [...argv.slice(0, at), ...argv.slice(at + (apart ? 2 : 1))] };
}

export async function run(
  argv: string[],
  out: (text: string) => void,
  err: (text: string) => void,
): Promise<number> {
  try {
    const { step, rest } = stepOption(argv);
    const options = bootOptions(rest);
    if (options.restore !== undefined) throw new UsageError('lockstep begins at an image, not at --restore');
    if (options.input === '-') throw new UsageError('lockstep takes --input from a file');
    const files = new Map<string, Uint8Array>();
    const load = (path: string): string => {
      const bytes = fileBytes(path);
      const sha = createHash('sha256').update(bytes).digest('hex');
      files.set(sha, bytes);
      return sha;
    };
    const side = (engine: EngineName): LockstepSide => {
      const timeline = newTimeline({ ...options, engine }, load, files);
      const { frames } = timeline.machine;
      return {
        name: engine,
        frames,
        advance: (ticks) => {
          const { kind } = timeline.run({
            untilT: NEVER_TICKS,
            untilTicks: ticks,
            hostSlice: options.hostSlice,
          });
          return kind === 'reached';
        },
      };
    };
    const [first, second] = ENGINES;
    const { ticks, report } = lockstep(() => [side(first), side(second)], {
      step,
      maxTicks: options.maxTicks,
    });
    out(`${ENGINES.join(' and ')} agree for ${ticks} ticks\n`);
    for (const line of report) out(`${line}\n`);
    return report.length > 0 ? 1 : 0;
  } catch (error) {
    const said =
      error instanceof UsageError || error instanceof ImageError ? error.message : fileTrouble(error);
    if (said === undefined) throw error;
    err(`ringside lockstep: ${said}\n${error instanceof UsageError ? USAGE : ''}`);
    return 2;
  }
}
