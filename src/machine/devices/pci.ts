// PCI configuration mechanism 1 over a bus with nothing on it: the address register can be written and read, every function answers
// all-ones. PCI Local Bus Specification 3.0, 3.2.2.3.

import { AT, BOARD, type Chipset } from './board.ts';

const B = AT.board;
export const configAddress = ({ m }: Chipset): number => m.r32(B + BOARD.configAddress);
export function writeConfigAddress({ m }: Chipset, value: number): void {
  m.w32(B + BOARD.configAddress, value & 0x80fffffc);
}
