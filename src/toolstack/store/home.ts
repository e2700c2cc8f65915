// What the toolstack writes into XenStore for a domain (xen-abi.md §9.3): its home, its virtual machine, the back end of its console.

import { DOMAIN } from '../../hypervisor/state.ts';
import type { Xen } from '../../hypervisor/xen.ts';
import { HEADER } from '../../memory/map.ts';
import { MACHINE } from '../../trace/recorder.ts';
import { textOf } from './protocol.ts';
import { type Store, TOOLSTACK } from './store.ts';
import type { Perm } from './tree.ts';

const home = (domid: number): string => `/local/domain/${domid}`;
const BACKENDS = '/local/domain/0/backend';
/** Nodes that the domain itself may write. */
const GUEST_OWNED = [
  'data',
  'drivers',
  'feature',
  'attr',
  'error',
  'control/shutdown',
  'control/feature-poweroff',
  'control/feature-reboot',
  'control/feature-suspend',
  'control/sysrq',
  'device/suspend/event-channel',
] as const;

/** The directories that a toolstack makes for a new domain: readable by it alone, writable by domain 0, but for a few nodes of its own. */
export function createHome(x: Xen, store: Store, d: number, domid: number): void {
  const readable: readonly Perm[] = [
    { letter: 'n', domid: 0 },
    { letter: 'r', domid },
  ];
  const vm = `/vm/${uuidOf(x, d)}`;
  const backend = `${BACKENDS}/console/${domid}/0`;
  const directories: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    [home(domid), homeNodes(x, d, domid, vm, backend)],
    [vm, vmNodes(x, d)],
    [backend, { frontend: `${home(domid)}/console`, 'frontend-id': String(domid), online: '1', state: '1' }],
  ];
  for (const [path, nodes] of directories) {
    store.put(path, '', readable);
    for (const [name, value] of Object.entries(nodes)) store.put(`${path}/${name}`, value);
  }
  for (const name of GUEST_OWNED) store.put(`${home(domid)}/${name}`, '', [{ letter: 'n', domid }]);
  store.put(`/libxl/${domid}/type`, 'pv');
}

function homeNodes(
  x: Xen,
  d: number,
  domid: number,
  vm: string,
  backend: string,
): Readonly<Record<string, string>> {
  const { m } = x;
  const kib = String(m.r32(d + DOMAIN.totPages) * 4);
  return {
    vm,
    name: nameOf(x, d),
    domid: String(domid),
    'cpu/0/availability': 'online',
    'memory/static-max': kib,
    'memory/target': kib,
    'memory/videoram': '0',
    device: '',
    'control/platform-feature-multiprocessor-suspend': '1',
    'control/platform-feature-xs_reset_watches': '1',
    'store/port': String(m.r32(d + DOMAIN.storePort)),
    'store/ring-ref': String(m.r32(d + DOMAIN.storeMfn)),
    'console/backend': backend,
    'console/backend-id': '0',
    'console/limit': '1048576',
    'console/type': 'xenconsoled',
    'console/output': 'pty',
    'console/tty': '',
    'console/ring-ref': String(m.r32(d + DOMAIN.consoleMfn)),
    'console/port': String(m.r32(d + DOMAIN.consolePort)),
  };
}

function vmNodes(x: Xen, d: number): Readonly<Record<string, string>> {
  const { m } = x;
  const seconds = m.r32(HEADER + MACHINE.epochSec) + Math.floor(m.r64(HEADER + MACHINE.T) / 100_000_000);
  return { name: nameOf(x, d), uuid: uuidOf(x, d), 'image/ostype': 'linux', start_time: `${seconds}.00` };
}

/** Every directory that was made for domain `domid`, and those of its devices' back ends in domain 0. */
export function homesOf(store: Store, domid: number): string[] {
  const vm = store.text(`${home(domid)}/vm`);
  const kinds = store.exists(BACKENDS) ? store.directory(TOOLSTACK, 0, BACKENDS) : [];
  return [
    ...(vm?.startsWith('/vm/') ? [vm] : []),
    home(domid),
    `/libxl/${domid}`,
    ...kinds.map((kind) => `${BACKENDS}/${kind}/${domid}`),
  ];
}

const nameOf = (x: Xen, d: number): string => textOf(x.m.copyOut(d + DOMAIN.name, 32)).replace(/\0.*$/, '');
const uuidOf = (x: Xen, d: number): string =>
  Array.from(x.m.copyOut(d + DOMAIN.handle, 16), (b) => b.toString(16).padStart(2, '0'))
    .join('')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
