// One request, one answer: the literal table of XenStore's message types.

import { bytesOf, fail, type Message, textOf, XS, XS_PAYLOAD_MAX } from './protocol.ts';
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

/** The NUL-terminated strings of a payload; text after the last NUL is an argument too (WRITE's value). */
function split(payload: Uint8Array): string[] {
  const text = textOf(payload);
  const parts = text.split('\0');
  if (parts[parts.length - 1] === '') parts.pop();
  return parts;
}
const one = (args: readonly string[]): string => (args.length === 1 ? args[0]! : fail('EINVAL'));
const domidOf = (args: readonly string[]): number =>
  /^\d{1,5}$/.test(args[0] ?? '') ? Number(args[0]) : fail('EINVAL');
const privileged = (who: Who): void => {
  if (!who.privileged) fail('EACCES');
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
    const rest = text.slice(Number(a[1]));
    const cut = rest.length <= 2000 ? `${rest}\0` : rest.slice(0, rest.lastIndexOf('\0', 2000) + 1);
    return `1\0${cut}`;
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
  [XS.INTRODUCE]: (_s, w, _m, a, d) => {
    privileged(w);
    d.introduce(domidOf(a));
    return OK;
  },
  [XS.RELEASE]: (_s, w, _m, a, d) => {
    privileged(w);
    d.release(domidOf(a));
    return OK;
  },
  [XS.RESUME]: (_s, w) => {
    privileged(w);
    return OK;
  },
  [XS.SET_TARGET]: (_s, w) => {
    privileged(w);
    return OK;
  },
  [XS.CONTROL]: (_s, w, _m, a) => {
    privileged(w);
    return a[0] === 'help' ? 'help\0' : fail('EINVAL');
  },
};

/** Answers one request; throws StoreError. */
export function answer(store: Store, who: Who, m: Message, daemon: Daemon): Uint8Array {
  const handler = REQUESTS[m.type] ?? fail('ENOSYS');
  return bytesOf(handler(store, who, m, split(m.payload), daemon));
}
