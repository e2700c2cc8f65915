// A bare machine from its configuration: ROM, multiboot image, module and test ports, in a memory that is all zero.

import type { EngineChoice } from '../cpu/engine.ts';
import { type BareMachine, createBare } from '../machine/bare.ts';
import type { Memory } from '../memory/memory.ts';
import { loadMultiboot } from '../toolstack/multiboot.ts';
import { type Images, MissingImage } from './inputs.ts';
import type { BareSpec } from './types.ts';

/**
 * Builds the machine at T = 0: at the reset vector of its ROM, or at the entry of its multiboot image.
 * @throws ImageError, MissingImage, or RangeError when RAM and ROM do not fit into `m`.
 */
export function startBare(
  m: Memory,
  spec: BareSpec,
  epochSec: number,
  images: Images,
  engine?: EngineChoice,
): BareMachine {
  const bytes = (sha256: string): Uint8Array => {
    const found = images(sha256);
    if (!found) throw new MissingImage({ name: spec.name, image: sha256 });
    return found;
  };
  const machine = createBare(
    m,
    {
      memoryMiB: spec.memoryMiB,
      epochSec,
      ...(spec.rom === undefined ? {} : { rom: bytes(spec.rom) }),
      ...(spec.debugPort === undefined ? {} : { debugPort: spec.debugPort }),
      ...(spec.postPort === undefined ? {} : { postPort: spec.postPort }),
      ...(spec.exitPort === undefined ? {} : { exitPort: spec.exitPort }),
    },
    engine,
  );
  if (spec.image !== undefined)
    loadMultiboot(machine, {
      image: bytes(spec.image),
      name: spec.name,
      cmdline: spec.cmdline,
      ...(spec.ramdisk === undefined ? {} : { module: { bytes: bytes(spec.ramdisk), name: 'ramdisk' } }),
    });
  return machine;
}
