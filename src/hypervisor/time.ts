// System time and wall clock as guests read them (public/xen.h): TSC and T are the same number, a tick is 10 ns, so the multiplier never
// changes and only the pair (tsc_timestamp, system_time) is refreshed, when a vCPU is scheduled in or asks.

import { HEADER, PAGE_SIZE } from '../memory/map.ts';
import { MACHINE } from '../trace/recorder.ts';
import { VCPU_INFO, vcpuInfo } from './evtchn-ports.ts';
import { copyToGuest } from './guest-access.ts';
import { DOMAIN, XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

export { doSetTimerOp } from './timers.ts';

export const NS_PER_TICK = 10;
/** 10 = (mul / 2^32) * 2^shift with bit 31 of mul set: ns = ((delta << 4) * mul) >> 32. */
export const TSC_TO_SYSTEM_MUL = 0xa0000000,
  TSC_SHIFT = 4;
/** Values of all vCPUs may be compared. */
const TSC_STABLE = 1;
const TIME_SIZE = 32;
const WC_VERSION = 0x900,
  WC_SEC = 0x904,
  WC_NSEC = 0x908,
  WC_SEC_HI = 0x924;

/** Nanoseconds since Xen started at tick T. */
export const systemTime = (T: number): number => T * NS_PER_TICK;
/** The first tick at which system time has reached `ns`. */
export const tickOf = (ns: number): number => Math.ceil(ns / NS_PER_TICK);

/** Writes a non-negative number below 2^64 as a little-endian u64. */
export function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 4294967296) >>> 0, true);
}

function timeInfo(x: Xen, version: number): Uint8Array {
  const bytes = new Uint8Array(TIME_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, version, true);
  setU64(view, 8, x.T);
  setU64(view, 16, systemTime(x.T));
  view.setUint32(24, TSC_TO_SYSTEM_MUL, true);
  view.setInt8(28, TSC_SHIFT);
  view.setUint8(29, TSC_STABLE);
  return bytes;
}

/**
 * Refreshes vcpu_time_info in v's vcpu_info, under its version: odd while it changes, even and different afterwards. Also the copy at the
 * address registered with VCPUOP_register_vcpu_time_memory_area, through v's page tables; an unwritable page is skipped.
 */
export function updateTimeInfo(x: Xen, v: number): void {
  const p = xv(v);
  const odd = ((x.m.r32(p + XVCPU.timeVersion) + 1) | 1) >>> 0;
  const at = vcpuInfo(x, v) + VCPU_INFO.time;
  x.frames.write32(at, odd);
  const bytes = timeInfo(x, (odd + 1) >>> 0);
  x.frames.copyIn(at + 4, bytes.subarray(4));
  x.frames.copyIn(at, bytes.subarray(0, 4));
  x.m.w32(p + XVCPU.timeVersion, (odd + 1) >>> 0);
  const area = x.m.r32(p + XVCPU.timeArea);
  if (area !== 0) copyToGuest(x, v, area, bytes);
}

/** Writes the wall clock of system time 0 into shared_info, under its version. */
export function updateWallclock(x: Xen, d: number): void {
  const base = x.m.r32(d + DOMAIN.sharedInfoMfn) * PAGE_SIZE;
  const odd = ((x.frames.read32(base + WC_VERSION) + 1) | 1) >>> 0;
  x.frames.write32(base + WC_VERSION, odd);
  x.frames.write32(base + WC_SEC, x.m.r32(HEADER + MACHINE.epochSec));
  x.frames.write32(base + WC_NSEC, 0);
  x.frames.write32(base + WC_SEC_HI, 0);
  x.frames.write32(base + WC_VERSION, (odd + 1) >>> 0);
}
