// XenStore's wire format (docs/misc/xenstore.txt, public/io/xs_wire.h).

import { ERRNO, type ErrnoName } from '../../hypervisor/abi/errno.ts';

export const XS = {
  CONTROL: 0,
  DIRECTORY: 1,
  READ: 2,
  GET_PERMS: 3,
  WATCH: 4,
  UNWATCH: 5,
  TRANSACTION_START: 6,
  TRANSACTION_END: 7,
  INTRODUCE: 8,
  RELEASE: 9,
  GET_DOMAIN_PATH: 10,
  WRITE: 11,
  MKDIR: 12,
  RM: 13,
  SET_PERMS: 14,
  WATCH_EVENT: 15,
  ERROR: 16,
  IS_DOMAIN_INTRODUCED: 17,
  RESUME: 18,
  SET_TARGET: 19,
  RESTRICT: 20,
  RESET_WATCHES: 21,
  DIRECTORY_PART: 22,
} as const;
export const XS_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(XS).map(([k, v]) => [v, k]),
);
export const XS_HEADER = 16;
export const XS_PAYLOAD_MAX = 4096;
export const XS_ABS_PATH_MAX = 3072,
  XS_REL_PATH_MAX = 2048;

/** Offsets in the ring page (§9.1). */
export const RING = {
  req: 0,
  rsp: 1024,
  reqCons: 2048,
  reqProd: 2052,
  rspCons: 2056,
  rspProd: 2060,
  features: 2064,
  connection: 2068,
  error: 2072,
  size: 1024,
} as const;

/** The ring page's error field: why the server has ended the connection. */
export const RING_ERROR = { none: 0, communication: 1, index: 2, protocol: 3 } as const;

/** What the server says it can do (server_features): reconnection, error field, watch depth. */
export const XENSTORE_FEATURES = 1 | 2 | 4;

/** Default quotas of an unprivileged domain. */
export const QUOTA = {
  nodes: 1000,
  watches: 128,
  transactions: 10,
  nodeSize: 2048,
  perms: 5,
  /** Changes that one transaction may hold. */
  changes: 1024,
  /** Names and values together. */
  bytes: 256 * 1024,
} as const;

export interface Message {
  readonly type: number;
  readonly reqId: number;
  readonly txId: number;
  readonly payload: Uint8Array;
}
export function encodeMessage(m: Message): Uint8Array {
  const out = new Uint8Array(XS_HEADER + m.payload.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, m.type, true);
  view.setUint32(4, m.reqId, true);
  view.setUint32(8, m.txId, true);
  view.setUint32(12, m.payload.length, true);
  out.set(m.payload, XS_HEADER);
  return out;
}

/** An answer that is an error: its name goes over the wire. */
export class StoreError extends Error {
  readonly errno: ErrnoName;
  constructor(errno: ErrnoName) {
    super(errno);
    this.errno = errno;
  }
}
export const fail = (errno: ErrnoName): never => {
  throw new StoreError(errno);
};
export const errnoNumber = (e: StoreError): number => ERRNO[e.errno];

/** Bytes as text one character a byte: values may hold anything. */
export const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0) & 0xff);
export const textOf = (bytes: Uint8Array): string => {
  let out = '';
  for (const b of bytes) out += String.fromCharCode(b);
  return out;
};
