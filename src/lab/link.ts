// A moment as a link: machine version, configuration with image hashes, input log, place, expected state. Small, because everything
// else is computed again.

import type { InputEntry, LabConfig, Moment } from './types.ts';
import { MACHINE_VERSION } from './types.ts';

export interface MomentLink {
  readonly v: number;
  readonly config: LabConfig;
  readonly log: readonly InputEntry[];
  readonly moment: Moment;
  /** stateHash at the moment. */
  readonly hash: string;
}
export class LinkError extends Error {}

async function pipe(
  bytes: Uint8Array<ArrayBuffer>,
  through: ReadableWritablePair<Uint8Array, BufferSource>,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes])
    .stream()
    .pipeThrough(
      through as unknown as ReadableWritablePair<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>,
    );
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Text for the part of the address behind '#m='. */
export async function encodeLink(link: MomentLink): Promise<string> {
  const packed = await pipe(
    new TextEncoder().encode(JSON.stringify(link)),
    new CompressionStream('deflate-raw') as never,
  );
  let text = '';
  for (const b of packed) text += String.fromCharCode(b);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** Reads a link; throws LinkError that says what is wrong and what to do. */
export async function decodeLink(text: string): Promise<MomentLink> {
  let json: unknown;
  try {
    const raw = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    const unpacked = await pipe(
      Uint8Array.from(raw, (c) => c.charCodeAt(0)),
      new DecompressionStream('deflate-raw') as never,
    );
    json = JSON.parse(new TextDecoder().decode(unpacked));
  } catch {
    throw new LinkError(
      'This link is damaged: its text was cut or changed on the way. Ask for it again, or open the lab at its start.',
    );
  }
  const link = json as Partial<MomentLink>;
  if (
    typeof link !== 'object' ||
    link === null ||
    typeof link.v !== 'number' ||
    !Array.isArray(link.config?.domains) ||
    !Array.isArray(link.log) ||
    typeof link.moment?.T !== 'number'
  ) {
    throw new LinkError('This link does not describe a moment. Open the lab at its start.');
  }
  if (link.v !== MACHINE_VERSION) {
    throw new LinkError(
      `This link was made by machine version ${link.v}; this is version ${MACHINE_VERSION}, where the same log may give another history. Open the lab at its start.`,
    );
  }
  return link as MomentLink;
}
