// Disassembly around an address of a domain, with symbols and source lines.

import { SEG_DB, SEGREG, VCPU } from '../../cpu/vcpu.ts';
import { decode } from '../../isa/decode.ts';
import { disassemble } from '../../isa/disassemble.ts';
import {
  domainOfVcpu,
  domidOfVcpu,
  lineAt,
  mapOf,
  type SourceLine,
  symbolAt,
  vcpuOf,
  levelOf,
} from './common.ts';
import type { View } from './view.ts';
import { dataRow, isData, LOOK_AHEAD, MAX_ZEROS, nextMark } from './data-rows.ts';
import { readVirtual, walk } from './walk.ts';

export interface CodeRow {
  readonly address: number;
  /** How many bytes the row stands for, and the first of them. */
  readonly length: number;
  readonly bytes: readonly number[];
  readonly text: string;
  /** Set on the first row of a symbol. */
  readonly label: string | undefined;
  readonly source: SourceLine | undefined;
  readonly current: boolean;
  /** The row is no instruction: constants, text, room. */
  readonly data: boolean;
  /** Machine address of the first byte: what an edit writes to. */
  readonly maddr: number | undefined;
}
export interface CodeModel {
  readonly eip: number;
  readonly cpl: number;
  readonly symbol: string | undefined;
  readonly rows: readonly CodeRow[];
  /** Why there is no code to show. */
  readonly problem: string | undefined;
}

/** Bytes of a row of data that are listed; the text says them all. */
const LISTED = 6;
/** Rows before the address are found by disassembling from the nearest symbol or line, so that they are true instructions. */
const LOOK_BACK = 512;

export function code(
  view: View,
  args: { domid?: number; address?: number; before?: number; count?: number } = {},
): CodeModel | null {
  const v = vcpuOf(view, args.domid);
  if (v === 0) return null;
  const { m } = view;
  const map = mapOf(view, domainOfVcpu(view, v));
  const cs = v + VCPU.seg + SEGREG.$size;
  const eip = trappedAt(view, domidOfVcpu(view, v)) ?? m.r32(v + VCPU.eip);
  const big = (m.r32(cs + SEGREG.attr) & SEG_DB) !== 0;
  const base = m.r32(cs + SEGREG.base);
  const target = (args.address ?? eip) >>> 0;
  const count = Math.min(args.count ?? 40, 400),
    before = Math.min(args.before ?? 6, 100);
  let start = target;
  if (map && before > 0) {
    for (const [address] of map.lines)
      if (address <= target && target - address <= LOOK_BACK) {
        start = Math.min(start === target ? address : start, address);
      }
    for (const [address] of map.symbols)
      if (address <= target && target - address <= LOOK_BACK && address > start - 1 && start === target)
        start = address;
  }
  const all: CodeRow[] = [];
  let at = start;
  let pastTarget = 0;
  while (pastTarget < count && all.length < LOOK_BACK + count) {
    const row = rowAt(view, v, at, base, big, eip, map);
    if (!row) break;
    if (at < target && at + row.length > target) {
      all.length = 0; // the guess was out of step: begin at the target itself
      at = target;
      continue;
    }
    all.push(row);
    if (at >= target) pastTarget++;
    at = (at + row.length) >>> 0;
  }
  const index = all.findIndex((r) => r.address >= target);
  const rows = all.slice(Math.max(0, index - before));
  return {
    eip,
    cpl: levelOf(view, v),
    symbol: symbolAt(map, target),
    rows,
    problem:
      rows.length === 0 ? `No page is mapped at 0x${target.toString(16).padStart(8, '0')}.` : undefined,
  };
}

/** Records of one trap lie within this many. */
const TRAP_REACH = 256;

/** Inside a trap the instruction on stage is the one that trapped, wherever EIP points already; undefined outside. */
function trappedAt(view: View, domid: number): number | undefined {
  const { history } = view;
  for (let i = history.length - 1; i >= 0 && i >= history.length - TRAP_REACH; i--) {
    const r = history.at(i);
    if (r.type === 'switch' || r.type === 'idle') return undefined;
    if (r.type === 'trap') return r.phase === 'enter' && r.domid === domid ? r.eip : undefined;
  }
  return undefined;
}

const labelOf = (map: ReturnType<typeof mapOf>, address: number): string | undefined =>
  map?.symbols.find((s) => s[0] === address)?.[1];

function rowAt(
  view: View,
  v: number,
  address: number,
  base: number,
  big: boolean,
  eip: number,
  map: ReturnType<typeof mapOf>,
): CodeRow | undefined {
  const linear = (base + address) >>> 0;
  const bytes = readVirtual(view, v, linear, 15);
  if (bytes[0] === undefined) return undefined;
  // What runs is code, whatever the line table knows.
  const runsOn = isData(map, eip) && eip <= address && map !== undefined && nextMark(map, eip) > address;
  if (map && isData(map, address) && !runsOn) {
    const end = Math.min(nextMark(map, address) - address, MAX_ZEROS);
    let ahead = readVirtual(view, v, linear, Math.min(end, LOOK_AHEAD));
    if (end > LOOK_AHEAD && ahead.every((b) => b === 0)) ahead = readVirtual(view, v, linear, end);
    const row = dataRow(ahead);
    return {
      address,
      length: row.length,
      bytes: bytes.slice(0, Math.min(LISTED, row.length)).map((b) => b ?? 0),
      text: row.text,
      label: labelOf(map, address),
      source: undefined,
      current: false,
      data: true,
      maddr: walk(view, v, linear).maddr,
    };
  }
  let missing = false;
  const insn = decode((i) => {
    if (bytes[i] === undefined) missing = true;
    return bytes[i] ?? 0;
  }, big);
  const length = missing ? 1 : insn.length;
  const known = bytes.slice(0, length).map((b) => b ?? 0);
  return {
    address,
    length,
    bytes: known,
    text:
      missing || insn.invalid !== undefined
        ? `db ${known.map((b) => `0x${b.toString(16).padStart(2, '0')}`).join(', ')}`
        : disassemble(insn, address, (a) => symbolAt(map, a)),
    label: labelOf(map, address),
    source: lineAt(map, address),
    current: address === eip,
    data: false,
    maddr: walk(view, v, linear).maddr,
  };
}
