// A moment of a shipped lab in a few letters, for a QR code or a blackboard: #at=<lab>.<T>.<seq>.<within>.<first digits of the state hash>,
// and behind a further dot what was edited or typed. The lab's name says the whole configuration.

import { decodeLink, type MomentLink } from '../../lab/link.ts';
import { decodeLog, encodeLog } from '../../lab/short-log.ts';
import type { InputEntry } from '../../lab/types.ts';
import { configOf, LABS, labOf } from './labs.ts';

const SHORT = /^(\w+)\.(\d+)\.(\d+)\.([01])\.([0-9a-f]{8})(?:\.([\w,~-]+))?$/;

/** The short form of a whole link, undefined when only the whole one says it all. */
export async function shortOf(lab: string, text: string): Promise<string | undefined> {
  if (!LABS.some((l) => l.id === lab)) return undefined;
  const link = await decodeLink(text);
  const same = JSON.stringify(link.config) === JSON.stringify(await configOf(labOf(lab)));
  const log = encodeLog(link.log);
  if (!same || log === undefined) return undefined;
  const { T, seq, within } = link.moment;
  return `${lab}.${T}.${seq}.${within ? 1 : 0}.${link.hash.slice(0, 8)}${log === '' ? '' : `.${log}`}`;
}

/** Reads a short form. Throws an Error that says what to do. */
export async function readShort(text: string): Promise<MomentLink> {
  const m = SHORT.exec(text);
  const lab = LABS.find((l) => l.id === m?.[1]);
  const nonsense = new Error('This link does not describe a moment. Open the lab at its start.');
  if (!m || !lab) throw nonsense;
  let log: readonly InputEntry[];
  try {
    log = decodeLog(m[6] ?? '');
  } catch {
    throw nonsense;
  }
  const config = await configOf(lab);
  const moment = { T: Number(m[2]), seq: Number(m[3]), within: m[4] === '1' };
  return { v: config.version, config, log, moment, hash: m[5]! };
}
