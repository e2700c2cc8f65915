// The firmware configuration device: a selector at 510h, bytes at 511h. Signature, RAM size, number of processors and an empty
// directory; every other item reads as zeros. Interface as QEMU documents it in docs/specs/fw_cfg.

import { layout } from '../../memory/layout.ts';
import { PAGE_SIZE } from '../../memory/map.ts';
import { AT, BOARD, type Chipset } from './board.ts';

export const FW_CFG = layout('FW_CFG', { selector: 'u32', offset: 'u32' });
const F = AT.fwcfg;

const SIGNATURE = 0x00,
  ID = 0x01,
  RAM_SIZE = 0x03,
  NB_CPUS = 0x05,
  MAX_CPUS = 0x0f;
/** Set in a selector to write an item, which nothing here allows. */
const WRITE_CHANNEL = 0x4000;
/** Traditional interface, no DMA. */
const FEATURES = 1;

const bytes = (value: number, length: number): number[] =>
  Array.from({ length }, (_, i) => Math.floor(value / 256 ** i) & 0xff);

function item(c: Chipset, key: number): readonly number[] {
  switch (key) {
    case SIGNATURE:
      return [0x51, 0x45, 0x4d, 0x55]; // QEMU
    case ID:
      return bytes(FEATURES, 4);
    case RAM_SIZE:
      return bytes(c.m.r32(AT.board + BOARD.ramFrames) * PAGE_SIZE, 8);
    case NB_CPUS:
    case MAX_CPUS:
      return bytes(1, 2);
    default:
      return []; // the directory (19h) too: a count of zero entries
  }
}

export const selector = ({ m }: Chipset): number => m.r32(F + FW_CFG.selector);
export function selectItem({ m }: Chipset, key: number): void {
  m.w32(F + FW_CFG.selector, key & 0xffff);
  m.w32(F + FW_CFG.offset, 0);
}
/** The next byte of the selected item; zeros behind its end. */
export function readItem(c: Chipset): number {
  const { m } = c;
  const offset = m.r32(F + FW_CFG.offset);
  m.w32(F + FW_CFG.offset, offset + 1);
  return item(c, m.r32(F + FW_CFG.selector) & ~WRITE_CHANNEL)[offset] ?? 0;
}
