import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QUOTA, XS } from './protocol.ts';
import { guest, recount, type StoreBench, storeBench, TOOLSTACK } from './store-testing.ts';

const one = guest(1),
  two = guest(2);

describe('paths', () => {
  it.each([
    ['', 'EINVAL'],
    ['data//a', 'EINVAL'],
    ['data/', 'EINVAL'],
    ['/', 'EACCES'],
    ['da ta', 'EINVAL'],
    ['data.x', 'EINVAL'],
    ['@introduceDomain', 'ENOENT'], // a node's name may hold @
    [`data/${'x'.repeat(2044)}`, 'EINVAL'],
    [`data/${'x'.repeat(2043)}`, 'ENOENT'],
    [`/local/domain/1/data/${'x'.repeat(3072)}`, 'EINVAL'],
  ])('%#: READ says %s → %s', (path, want) => {
    expect(storeBench().ask(one, XS.READ, `${path}|`)).toBe(want);
  });
  it('lie under /local/domain/<own> when relative', () => {
    const b = storeBench();
    expect(b.ask(one, XS.WRITE, 'data/a|v')).toBe('OK|');
    expect(b.ask(one, XS.READ, '/local/domain/1/data/a|')).toBe('v');
    expect(b.ask(two, XS.READ, 'data/a|')).toBe('ENOENT');
  });
});

describe('requests', () => {
  it.each([
    ['READ', 'name', 'EINVAL'], // no NUL
    ['READ', 'name|x|', 'EINVAL'],
    ['DIRECTORY', '', 'EINVAL'],
    ['DIRECTORY', '|', 'EINVAL'],
    ['WRITE', 'data', 'EINVAL'],
    ['MKDIR', 'data/a', 'EINVAL'],
    ['SET_PERMS', 'data|', 'EINVAL'],
    ['SET_PERMS', 'data|x1|', 'EINVAL'],
    ['SET_PERMS', 'data|n1|r2|r3|r4|r5|r6|', 'ENOSPC'],
    ['SET_PERMS', 'data|x|x|x|x|x|x|', 'ENOSPC'], // too many before wrong
    ['SET_PERMS', 'data|n0|', 'EPERM'],
    ['SET_PERMS', 'name|n1|', 'EACCES'],
    ['SET_PERMS', 'data/none|n1|', 'ENOENT'],
    ['SET_PERMS', 'nothing|n1|', 'EACCES'],
    ['TRANSACTION_END', 'X|', 'EINVAL'],
    ['TRANSACTION_END', 'T|', 'ENOENT'],
    ['GET_DOMAIN_PATH', '7|', '/local/domain/7|'],
    ['GET_DOMAIN_PATH', 'x|', 'EINVAL'],
    ['IS_DOMAIN_INTRODUCED', '1|', 'T|'],
    ['IS_DOMAIN_INTRODUCED', '9|', 'F|'],
    ['UNWATCH', 'data|t|', 'ENOENT'],
    ['WATCH', 'data|', 'EINVAL'],
    ['WATCH', '@releaseDomain|t|', 'EACCES'],
    ['WATCH', '@nothing|t|', 'EINVAL'],
    ['DIRECTORY_PART', 'data|x|', 'EINVAL'],
    ['CONTROL', 'help|', 'EACCES'],
    ['INTRODUCE', '', 'EACCES'], // the right before the arguments
    ['RELEASE', 'x|', 'EACCES'],
    ['RESUME', '1|', 'EACCES'],
    ['SET_TARGET', '1|2|', 'EACCES'],
    ['RESTRICT', '1|', 'ENOSYS'],
    ['WATCH_EVENT', '', 'ENOSYS'],
    ['ERROR', '', 'ENOSYS'],
  ] as const)('%s %j → %s', (type, payload, want) => {
    expect(storeBench().ask(one, XS[type], payload)).toBe(want);
  });
  it('does not know types of its own making', () => {
    for (const type of [23, 26, 99, 0xffff, 0xffffffff])
      expect(storeBench().ask(one, type, '|')).toBe('ENOSYS');
  });
  it('looks for the transaction before the arguments', () => {
    const b = storeBench();
    expect(b.ask(one, XS.READ, 'no//path|', 77)).toBe('ENOENT');
    expect(b.ask(one, XS.TRANSACTION_END, 'X|', 77)).toBe('ENOENT');
    expect(b.ask(one, XS.TRANSACTION_START, '|', 77)).toBe('EBUSY');
  });
  it('writes any bytes, makes parents, and MKDIR of what exists is fine', () => {
    const b = storeBench();
    const value = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i)).replace('|', '');
    expect(b.ask(one, XS.WRITE, `data/a/b/c|${value}`)).toBe('OK|');
    expect(b.ask(one, XS.READ, 'data/a/b/c|')).toBe(value.replace('\0', '|'));
    expect(b.ask(one, XS.READ, 'data/a/b|')).toBe('');
    expect(b.ask(one, XS.MKDIR, 'data/a/b/c|')).toBe('OK|');
    expect(b.ask(one, XS.READ, 'data/a/b/c|')).toBe(value.replace('\0', '|'));
    expect(b.ask(one, XS.DIRECTORY, 'data/a|')).toBe('b|');
  });
  it('removes with all below, and forgives what is gone only to who may write there', () => {
    const b = storeBench();
    b.ask(one, XS.WRITE, 'data/a/b|x');
    expect(b.ask(one, XS.RM, 'data/a|')).toBe('OK|');
    expect(b.ask(one, XS.READ, 'data/a/b|')).toBe('ENOENT');
    expect(b.ask(one, XS.RM, 'data/a|')).toBe('OK|');
    expect(b.ask(one, XS.RM, 'data/x/y|')).toBe('ENOENT');
    expect(b.ask(one, XS.RM, '/local/domain/2/nothing|')).toBe('EACCES'); // says nothing of what is there
    expect(b.ask(one, XS.RM, '/local/domain/2/data|')).toBe('EACCES');
    expect(b.ask(TOOLSTACK, XS.RM, '/|')).toBe('EINVAL');
    expect(b.ask(one, XS.RM, '/|')).toBe('EACCES');
  });
});

describe('permissions', () => {
  it('hide a home from others and let its domain read', () => {
    const b = storeBench();
    expect(b.ask(one, XS.READ, 'name|')).toBe('guest1');
    expect(b.ask(one, XS.WRITE, 'name|other')).toBe('EACCES');
    expect(b.ask(one, XS.READ, '/local/domain/2/name|')).toBe('EACCES');
    expect(b.ask(one, XS.READ, '/local/domain/2/none|')).toBe('EACCES');
    expect(b.ask(one, XS.DIRECTORY, '/local/domain|')).toBe('EACCES');
    expect(b.ask(one, XS.READ, 'none|')).toBe('ENOENT');
    expect(b.ask(one, XS.MKDIR, 'none|')).toBe('EACCES');
    expect(b.ask(one, XS.WRITE, '/new|')).toBe('EACCES');
  });
  it.each([
    ['n', 'EACCES', 'EACCES'],
    ['r', 'v', 'EACCES'],
    ['w', 'EACCES', 'OK|'],
    ['b', 'v', 'OK|'],
  ])('letter %s for another: READ %s, WRITE %s', (letter, read, write) => {
    const b = storeBench();
    b.ask(one, XS.WRITE, 'data/p|v');
    for (const perms of [`n1|${letter}2`, `${letter}1`]) {
      expect(b.ask(one, XS.SET_PERMS, `data/p|${perms}|`)).toBe('OK|');
      expect(b.ask(two, XS.READ, '/local/domain/1/data/p|')).toBe(read);
      expect(b.ask(two, XS.WRITE, '/local/domain/1/data/p|v')).toBe(write);
      expect(b.ask(one, XS.READ, 'data/p|')).toBe('v'); // the owner always may
      expect(b.ask(two, XS.SET_PERMS, '/local/domain/1/data/p|n2|')).toBe('EACCES');
    }
  });
  it('of the root and of every owner are the control domain’s to change (XSA-352, XSA-353)', () => {
    const b = storeBench();
    expect(b.ask(one, XS.SET_PERMS, '/|b1|')).toBe('EACCES');
    expect(b.ask(one, XS.DIRECTORY, '/|')).toBe('EACCES');
    expect(b.ask(one, XS.SET_PERMS, '/local/domain/1|b1|')).toBe('EACCES');
    b.ask(one, XS.WRITE, 'data/mine|v');
    for (const owner of ['n2|', 'n0|', 'b2|n1|'])
      expect([owner, b.ask(one, XS.SET_PERMS, `data/mine|${owner}`)]).toEqual([owner, 'EPERM']);
    expect(b.ask(one, XS.GET_PERMS, 'data/mine|')).toBe('n1|');
    expect(b.ask(one, XS.SET_PERMS, 'data/mine|b1|r2|')).toBe('OK|');
  });
  it('are inherited, the creator becoming the owner', () => {
    const b = storeBench();
    b.ask(one, XS.SET_PERMS, 'data|n1|b2|');
    b.ask(two, XS.WRITE, '/local/domain/1/data/x/y|1');
    expect(b.ask(two, XS.GET_PERMS, '/local/domain/1/data/x|')).toBe('n2|b2|');
    b.store.put('/local/domain/1/data/z', '');
    expect(b.ask(one, XS.GET_PERMS, 'data/z|')).toBe('n1|b2|');
  });
});

describe('transactions', () => {
  const begin = (b: StoreBench, who = one): number =>
    Number(b.ask(who, XS.TRANSACTION_START, '|').slice(0, -1));

  it('see their own writes, nobody else does until T', () => {
    const b = storeBench();
    b.ask(one, XS.WATCH, 'data|t|');
    b.events();
    const tx = begin(b);
    expect(b.ask(one, XS.WRITE, 'data/a|1', tx)).toBe('OK|');
    expect(b.ask(one, XS.READ, 'data/a|', tx)).toBe('1');
    expect(b.ask(one, XS.READ, 'data/a|')).toBe('ENOENT');
    expect(b.events()).toEqual([]);
    expect(b.ask(one, XS.TRANSACTION_END, 'T|', tx)).toBe('OK|');
    expect(b.events()).toEqual(['1 data/a t']);
    expect(b.ask(one, XS.READ, 'data/a|')).toBe('1');
    expect(b.ask(one, XS.READ, 'data/a|', tx)).toBe('ENOENT');
  });
  it('are snapshots, and end with EAGAIN after a conflict', () => {
    const b = storeBench();
    b.ask(one, XS.WRITE, 'data/a|1');
    const tx = begin(b);
    b.ask(one, XS.WRITE, 'data/a|2');
    expect(b.ask(one, XS.READ, 'data/a|', tx)).toBe('1');
    b.ask(one, XS.WRITE, 'data/b|x', tx);
    expect(b.ask(one, XS.TRANSACTION_END, 'T|', tx)).toBe('EAGAIN');
    expect(b.ask(one, XS.TRANSACTION_END, 'T|', tx)).toBe('ENOENT');
    expect(b.ask(one, XS.READ, 'data/b|')).toBe('ENOENT');
  });
  it('leave nothing when aborted', () => {
    const b = storeBench();
    const used = b.arena.used;
    const tx = begin(b);
    b.ask(one, XS.WRITE, 'data/a/b/c|1', tx);
    b.ask(one, XS.RM, 'data|', tx);
    expect(b.ask(one, XS.TRANSACTION_END, 'F|', tx)).toBe('OK|');
    expect(b.arena.used).toBe(used);
    expect(b.ask(one, XS.DIRECTORY, 'data|')).toBe('');
  });
  it('belong to their connection', () => {
    const b = storeBench();
    const tx = begin(b);
    expect(b.ask(two, XS.READ, 'name|', tx)).toBe('ENOENT');
    expect(b.ask(two, XS.TRANSACTION_END, 'T|', tx)).toBe('ENOENT');
    expect(b.ask(one, XS.READ, 'name|', tx)).toBe('guest1');
  });
  it('are ten at most, and 1024 changes each', () => {
    const b = storeBench();
    const ids = Array.from({ length: QUOTA.transactions }, () => begin(b));
    expect(new Set(ids).size).toBe(10);
    expect(b.ask(one, XS.TRANSACTION_START, '|')).toBe('ENOSPC');
    expect(b.ask(two, XS.TRANSACTION_START, '|')).toMatch(/^\d+\|$/);
    b.ask(one, XS.RESET_WATCHES, '|');
    const tx = begin(b);
    const used = recount(b);
    for (let i = 0; i < QUOTA.changes; i++) b.ask(one, XS.WRITE, `data/${i & 1}|`, tx);
    expect(b.ask(one, XS.WRITE, 'data/0|', tx)).toBe('ENOSPC');
    expect(b.arena.used).toBe(recount(b));
    b.ask(one, XS.TRANSACTION_END, 'F|', tx);
    expect(b.arena.used).toBeLessThan(used);
  });
});

describe('watches', () => {
  it('fire once at once, then for the node and what is below, relative as they were set', () => {
    const b = storeBench();
    expect(b.ask(one, XS.WATCH, 'data/w|tok en|')).toBe('OK|');
    expect(b.events()).toEqual(['1 data/w tok en']);
    b.ask(one, XS.WATCH, '/local/domain/1/data/w|abs|');
    expect(b.ask(one, XS.WATCH, '/local/domain/1/data/w|abs|')).toBe('EEXIST');
    b.events();
    b.ask(one, XS.WRITE, 'data/w/x|1');
    expect(b.events()).toEqual(['1 data/w/x tok en', '1 /local/domain/1/data/w/x abs']);
    b.ask(one, XS.WRITE, 'data/w/x|1'); // the same value
    b.ask(one, XS.SET_PERMS, 'data/w/x|r1|');
    expect(b.events().length).toBe(4);
    b.ask(one, XS.WRITE, 'data/wx|1');
    expect(b.events()).toEqual([]);
    expect(b.ask(one, XS.UNWATCH, 'data/w|abs|')).toBe('OK|');
    b.ask(one, XS.WRITE, 'data/w|2');
    expect(b.events()).toEqual(['1 data/w tok en']);
  });
  it('hear of their own path when an ancestor is removed', () => {
    const b = storeBench();
    b.ask(one, XS.WRITE, 'data/a/b/c|1');
    b.ask(one, XS.WATCH, 'data/a/b|t|');
    b.events();
    b.ask(one, XS.RM, 'data/a|');
    expect(b.events()).toEqual(['1 data/a/b t']);
  });
  it('look as deep as they were told', () => {
    const b = storeBench();
    b.ask(one, XS.WATCH, 'data|0|0|');
    b.ask(one, XS.WATCH, 'data|1|1|');
    b.events();
    b.ask(one, XS.WRITE, 'data/a/b|x');
    expect(b.events()).toEqual([]);
    b.ask(one, XS.WRITE, 'data/a|x');
    expect(b.events()).toEqual(['1 data/a 1']);
    b.ask(one, XS.WRITE, 'data|x');
    expect(b.events()).toEqual(['1 data 0', '1 data 1']);
  });
  it('do not hear of what their domain may not read', () => {
    const b = storeBench();
    b.ask(one, XS.WATCH, '/|t|');
    b.events();
    b.ask(two, XS.WRITE, 'data/secret|x');
    b.ask(two, XS.RM, 'data/secret|');
    expect(b.events()).toEqual([]);
    b.ask(one, XS.WRITE, 'data/mine|x');
    expect(b.events()).toEqual(['1 /local/domain/1/data/mine t']);
  });
  it('are 128 at most, and no event is longer than a message', () => {
    const b = storeBench();
    for (let i = 0; i < QUOTA.watches; i++) expect(b.ask(one, XS.WATCH, `data|${i}|`)).toBe('OK|');
    expect(b.ask(one, XS.WATCH, 'data|more|')).toBe('ENOSPC');
    expect(b.ask(one, XS.WATCH, 'data|5|')).toBe('EEXIST'); // before the quota
    b.ask(two, XS.WATCH, `data|${'t'.repeat(4000)}|`);
    b.events();
    b.ask(two, XS.WRITE, `data/${'x'.repeat(100)}|`);
    expect(b.events()).toEqual([]);
    b.ask(two, XS.WRITE, 'data/y|');
    expect(b.events().length).toBe(1);
  });
  it('go with their domain', () => {
    const b = storeBench();
    b.ask(one, XS.WATCH, 'data|t|');
    b.ask(one, XS.TRANSACTION_START, '|');
    b.events();
    b.store.forget(1);
    b.ask(one, XS.WRITE, 'data/a|');
    expect(b.events()).toEqual([]);
    expect(b.store.snapshots()).toEqual([]);
  });
});

describe('quotas', () => {
  it('1000 nodes and not one more; others have their own', () => {
    const b = storeBench();
    let made = 1; // data
    while (b.ask(one, XS.WRITE, `data/${made % 10}/${made}|`) === 'OK|') made++;
    const owned = b.store.tree.owned(b.store.root, 1).nodes;
    expect(owned).toBeLessThanOrEqual(QUOTA.nodes);
    expect(owned).toBeGreaterThanOrEqual(QUOTA.nodes - 1);
    expect(b.ask(one, XS.WRITE, 'data/deep/er|')).toBe('ENOSPC');
    expect(b.ask(one, XS.WRITE, 'data/1|still')).toBe('OK|');
    expect(b.ask(two, XS.WRITE, 'data/1|')).toBe('OK|');
    expect(b.ask(one, XS.MKDIR, `data/${'a/'.repeat(990)}b|`)).toBe('ENOSPC');
    expect(b.arena.used).toBe(recount(b));
  });
  it('2048 bytes a node; names count among the bytes', () => {
    const b = storeBench();
    expect(b.ask(one, XS.WRITE, `data/v|${'x'.repeat(2048)}`)).toBe('OK|');
    expect(b.ask(one, XS.WRITE, `data/v|${'x'.repeat(2049)}`)).toBe('ENOSPC');
    let n = 0;
    while (b.ask(one, XS.WRITE, `data/${'n'.repeat(1990)}${n}|${'x'.repeat(2000)}`) === 'OK|') n++;
    expect(n).toBeGreaterThan(60);
    expect(n).toBeLessThan(70);
  });
  it('an exhausted store says ENOSPC, loses nothing and goes on', () => {
    const b = storeBench(40);
    let n = 0;
    while (b.ask(one, XS.WRITE, `data/${n}|${'x'.repeat(1500)}`) === 'OK|') n++;
    expect(n).toBeGreaterThan(10);
    expect(b.arena.used).toBe(recount(b));
    expect(b.ask(one, XS.DIRECTORY, 'data|').split('|').length).toBe(n + 1);
    expect(b.ask(one, XS.READ, `data/${n - 1}|`).length).toBe(1500);
    const tx = b.ask(two, XS.TRANSACTION_START, '|');
    expect(tx).toMatch(/^(\d+\||ENOSPC)$/);
    expect(b.arena.used).toBe(recount(b));
  });
});

describe('large directories', () => {
  it('are E2BIG, and come in parts whose number changes with them', () => {
    const b = storeBench();
    const names = Array.from({ length: 900 }, (_, i) => `node-${i}`).sort();
    for (const name of names) b.store.put(`/local/domain/1/data/${name}`, '');
    expect(b.ask(one, XS.DIRECTORY, 'data|')).toBe('E2BIG');
    let all = '',
      parts = 0,
      number = '';
    for (let done = false; !done; parts++) {
      const reply = b.ask(one, XS.DIRECTORY_PART, `data|${all.length}|`);
      expect(reply.length).toBeLessThanOrEqual(4096);
      const at = reply.indexOf('|') + 1;
      if (number !== '') expect(reply.slice(0, at)).toBe(number);
      number = reply.slice(0, at);
      done = reply.endsWith('||');
      all += done ? reply.slice(at, -1) : reply.slice(at);
    }
    expect(all).toBe(names.map((n) => `${n}|`).join(''));
    expect(parts).toBeGreaterThan(1);
    b.store.put('/local/domain/1/data/one-more', '');
    expect(b.ask(one, XS.DIRECTORY_PART, 'data|0|').startsWith(number)).toBe(false);
    expect(b.ask(one, XS.DIRECTORY_PART, 'name|0|')).toMatch(/^\d+\|\|$/);
  });
});

describe('purge', () => {
  it('leaves nothing that a later domain of the same number could inherit', () => {
    const b = storeBench();
    b.ask(two, XS.SET_PERMS, 'data|n2|b1|');
    b.ask(two, XS.WRITE, 'data/keep|x');
    b.ask(one, XS.WRITE, '/local/domain/2/data/planted/deep|x');
    b.store.purge(1, ['/local/domain/1']);
    expect(b.store.exists('/local/domain/1')).toBe(false);
    expect(b.store.exists('/local/domain/2/data/planted')).toBe(false);
    expect(b.ask(two, XS.GET_PERMS, 'data|')).toBe('n2|');
    expect(b.ask(two, XS.GET_PERMS, 'data/keep|')).toBe('n2|');
    expect(b.ask(one, XS.READ, '/local/domain/2/data/keep|')).toBe('EACCES');
    expect(b.arena.used).toBe(recount(b));
  });
  it('of domain 0 takes its home and leaves the store, which is its own', () => {
    const b = storeBench();
    b.store.put('/local/domain/0/name', 'dom0');
    b.store.purge(0, ['/local/domain/0']);
    expect(b.store.exists('/local/domain/0')).toBe(false);
    expect(b.store.exists('/local/domain/1')).toBe(true);
  });
});

describe('the tree', () => {
  const paths = [
    'data',
    'data/a',
    'data/a/b',
    'data/c',
    'data/c/d/e',
    'name',
    '/local/domain/2/data/x',
    'bad//',
  ];
  const step = fc.record({
    who: fc.constantFrom(1, 2),
    op: fc.constantFrom(
      'WRITE',
      'MKDIR',
      'RM',
      'SET_PERMS',
      'START',
      'T',
      'F',
      'WATCH',
      'UNWATCH',
      'FORGET',
      'PURGE',
    ),
    path: fc.constantFrom(...paths),
    size: fc.nat(300),
    tx: fc.nat(3),
  });
  it('loses and leaks no byte whatever is asked, aborted or refused', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 3, max: 40 }), (steps, limit) => {
        const b = storeBench(limit);
        const open: number[] = [];
        for (const s of steps) {
          const who = guest(s.who),
            tx = s.tx === 0 ? 0 : (open[open.length - s.tx] ?? 0);
          if (s.op === 'START') open.push(Number.parseInt(b.ask(who, XS.TRANSACTION_START, '|'), 10) || 0);
          else if (s.op === 'T' || s.op === 'F') b.ask(who, XS.TRANSACTION_END, `${s.op}|`, tx);
          else if (s.op === 'WRITE') b.ask(who, XS.WRITE, `${s.path}|${'v'.repeat(s.size)}`, tx);
          else if (s.op === 'SET_PERMS') b.ask(who, XS.SET_PERMS, `${s.path}|n${s.who}|b${3 - s.who}|`, tx);
          else if (s.op === 'WATCH' || s.op === 'UNWATCH') b.ask(who, XS[s.op], `${s.path}|${s.size % 3}|`);
          else if (s.op === 'FORGET') b.ask(who, XS.RESET_WATCHES, '|');
          else if (s.op === 'PURGE') b.ask(who, XS.RM, 'data/a|', tx);
          else b.ask(who, XS[s.op], `${s.path}|`, tx);
          b.events();
          expect(b.arena.used).toBe(recount(b));
        }
        for (const domid of [1, 2]) b.store.forget(domid);
        expect(b.arena.used).toBe(recount(b));
      }),
      { numRuns: 120, seed: 2 },
    );
  });
});
