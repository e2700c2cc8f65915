// One request, one answer: the literal table of XenStore's message types.

import { bytesOf, fail, type Message, QUOTA, textOf, XS, XS_PAYLOAD_MAX } from './protocol.ts';
import type { Store, Who } from './store.ts';
import { parsePerm, permText } from './tree.ts';

/** What the daemon can do that the store alone cannot. */
export interface Daemon {
  introduced(domid: number): boolean;
  introduce(domid: number): void;
  release(domid: number): void;
}
type Handler = (store: Store, who: Who, m: Message, args: readonly string[], daemon: Daemon) => string;

const OK = 'OK\0';

/** The NUL-terminated strings of a payload; none if its last one lacks the NUL, so that whoever needs arguments says EINVAL. */
function split(payload: Uint8Array): string[] {
  const parts = textOf(payload).split('\0');
  return parts.pop() === '' ? parts : [];
}
const one = (args: readonly string[]): string => (args.length === 1 ? args[0]! : fail('EINVAL'));
const domidOf = (args: readonly string[]): number =>
  /^\d{1,5}$/.test(one(args)) ? Number(args[0]) : fail('EINVAL');
/** FNV-1a: a list of children that has changed has another number. */
const fingerprint = (text: string): number => {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
};
const listing = (names: readonly string[]): string => names.map((n) => `${n}\0`).join('');

export const REQUESTS: Readonly<Record<number, Handler>> = {
  [XS.DIRECTORY]: (s, w, m, a) => {
    const text = listing(s.directory(w, m.txId, s.absolute(w, one(a))));
    return text.length > XS_PAYLOAD_MAX ? fail('E2BIG') : text;
  },
  [XS.DIRECTORY_PART]: (s, w, m, a) => {
    if (a.length !== 2 || !/^\d+$/.test(a[1]!)) fail('EINVAL');
    const text = listing(s.directory(w, m.txId, s.absolute(w, a[0]!)));
    const head = `${fingerprint(text)}\0`;
    const room = XS_PAYLOAD_MAX - head.length - 1;
    const rest = text.slice(Number(a[1]));
    return head + (rest.length <= room ? `${rest}\0` : rest.slice(0, rest.lastIndexOf('\0', room - 1) + 1));
  },
  [XS.READ]: (s, w, m, a) => textOf(s.read(w, m.txId, s.absolute(w, one(a)))),
  [XS.GET_PERMS]: (s, w, m, a) => listing(s.perms(w, m.txId, s.absolute(w, one(a))).map(permText)),
  [XS.WRITE]: (s, w, m) => {
    const end = m.payload.indexOf(0);
    if (end < 0) fail('EINVAL');
    s.write(w, m.txId, s.absolute(w, textOf(m.payload.subarray(0, end))), m.payload.slice(end + 1));
    return OK;
  },
  [XS.MKDIR]: (s, w, m, a) => {
    s.write(w, m.txId, s.absolute(w, one(a)), undefined);
    return OK;
  },
  [XS.RM]: (s, w, m, a) => {
    s.remove(w, m.txId, s.absolute(w, one(a)));
    return OK;
  },
  [XS.SET_PERMS]: (s, w, m, a) => {
    if (a.length < 2) fail('EINVAL');
    if (a.length - 1 > QUOTA.perms && !w.privileged) fail('ENOSPC');
    s.setPerms(w, m.txId, s.absolute(w, a[0]!), a.slice(1).map(parsePerm));
    return OK;
  },
  [XS.WATCH]: (s, w, _m, a) => {
    if (a.length < 2 || a.length > 3 || (a.length === 3 && !/^\d{1,4}$/.test(a[2]!))) fail('EINVAL');
    s.watch(w, a[0]!, a[1]!, a.length === 3 ? Number(a[2]) : -1);
    return OK;
  },
  [XS.UNWATCH]: (s, w, _m, a) => {
    if (a.length !== 2) fail('EINVAL');
    s.unwatch(w, a[0]!, a[1]!);
    return OK;
  },
  [XS.TRANSACTION_START]: (s, w, m) => `${s.begin(w, m.txId)}\0`,
  [XS.TRANSACTION_END]: (s, w, m, a) => {
    if (a.length !== 1 || (a[0] !== 'T' && a[0] !== 'F')) fail('EINVAL');
    s.finish(w, m.txId, a[0] === 'T');
    return OK;
  },
  [XS.GET_DOMAIN_PATH]: (_s, _w, _m, a) => `/local/domain/${domidOf(a)}\0`,
  [XS.IS_DOMAIN_INTRODUCED]: (_s, _w, _m, a, d) => (d.introduced(domidOf(a)) ? 'T\0' : 'F\0'),
  [XS.RESET_WATCHES]: (s, w) => {
    s.forget(w.domid);
    return OK;
  },
  [XS.INTRODUCE]: (_s, _w, _m, a, d) => {
    if (a.length < 3) fail('EINVAL');
    d.introduce(domidOf(a.slice(0, 1)));
    return OK;
  },
  [XS.RELEASE]: (_s, _w, _m, a, d) => {
    const domid = domidOf(a);
    if (!d.introduced(domid)) fail('ENOENT');
    d.release(domid);
    return OK;
  },
  [XS.RESUME]: () => OK,
  [XS.SET_TARGET]: () => OK,
  [XS.CONTROL]: (_s, _w, _m, a) => (a[0] === 'help' ? 'help\0' : fail('EINVAL')),
};
/** Only for domain 0. */
const PRIVILEGED: readonly number[] = [XS.CONTROL, XS.INTRODUCE, XS.RELEASE, XS.RESUME, XS.SET_TARGET];
/** Requests that do not look at the transaction's number, or look at it their own way. */
const NO_TRANSACTION: readonly number[] = [
  XS.WATCH,
  XS.UNWATCH,
  XS.TRANSACTION_START,
  XS.INTRODUCE,
  XS.RELEASE,
  XS.GET_DOMAIN_PATH,
  XS.IS_DOMAIN_INTRODUCED,
  XS.RESUME,
  XS.SET_TARGET,
  XS.RESET_WATCHES,
];

/** Answers one request; throws StoreError: ENOSYS, then EACCES for a right, then ENOENT for a transaction, then what the request says. */
export function answer(store: Store, who: Who, m: Message, daemon: Daemon): Uint8Array {
  const handler = REQUESTS[m.type] ?? fail('ENOSYS');
  if (PRIVILEGED.includes(m.type) && !who.privileged) fail('EACCES');
  if (m.txId !== 0 && !NO_TRANSACTION.includes(m.type)) store.transaction(who, m.txId);
  return bytesOf(handler(store, who, m, split(m.payload), daemon));
}
