// The 52 classes of mistakes by which hypervisors have let guests out, and where each is answered here: the tests that fail when it is made,
// and mutations that make it. What does not exist is refused, and a test says so. security-classes.test.ts holds this table to the files.

export interface SecurityClass {
  readonly number: number;
  readonly name: string;
  /** [file under src/, title of a test in it]. */
  readonly tests: readonly (readonly [file: string, title: string])[];
  /** Names of mutations: `npm run mutate` makes the mistake and expects a test to fail. */
  readonly mutations?: readonly string[];
  /** A conformance guest that tries it from inside. */
  readonly guest?: string;
}

const MM = 'hypervisor/mm-isolation.test.ts',
  GRANTS = 'hypervisor/grant-isolation.test.ts',
  TRAPS = 'hypervisor/traps.test.ts',
  CALLS = 'hypervisor/calls.test.ts',
  EVENTS = 'hypervisor/event-channels.test.ts',
  LONG = 'hypervisor/long-calls.test.ts',
  STORE = 'toolstack/store/store.test.ts',
  STORED = 'toolstack/xenstored.test.ts',
  CONSOLED = 'toolstack/xenconsoled.test.ts';

const row = (
  number: number,
  name: string,
  tests: SecurityClass['tests'],
  more: Pick<SecurityClass, 'mutations' | 'guest'> = {},
): SecurityClass => ({ number, name, tests, ...more });

export const SECURITY_CLASSES: readonly SecurityClass[] = [
  row(
    1,
    'RW changed by the way for flags',
    [[MM, '1: a read-only entry does not become writable through the way for flags (XSA-182)']],
    { mutations: ['RW counts as a free flag (XSA-182)'], guest: 'test-page-tables' },
  ),
  row(
    2,
    'superpage in L2',
    [[MM, '2: no superpage, neither at validation nor by an update nor by changing flags (XSA-148)']],
    { mutations: ['superpages are accepted in L2'], guest: 'test-page-tables' },
  ),
  row(3, 'recursive L3', [[MM, '3 and 4: no table maps itself or one of its level (XSA-185, XSA-240)']], {
    mutations: ['types are not exclusive'],
  }),
  row(
    4,
    'linear page tables',
    [[MM, '3 and 4: no table maps itself or one of its level (XSA-185, XSA-240)']],
    {
      mutations: ['types are not exclusive'],
    },
  ),
  row(
    5,
    'type reference kept on an error path',
    [[MM, '5 and 6: what a failed validation took is all given back, at every level (XSA-242, XSA-299)']],
    { mutations: ['a failed validation undoes nothing'] },
  ),
  row(
    6,
    'partially validated tables',
    [[MM, '5 and 6: what a failed validation took is all given back, at every level (XSA-242, XSA-299)']],
    { mutations: ['a failed validation undoes nothing'] },
  ),
  row(
    7,
    'race in a change of type',
    [
      [
        MM,
        '7 and 8: translations are dropped before a frame that was writable becomes a table, and after upper levels change (XSA-401, XSA-286)',
      ],
    ],
    { mutations: ['a frame becomes a table without a flush'] },
  ),
  row(
    8,
    'stale translations',
    [
      [
        MM,
        '7 and 8: translations are dropped before a frame that was writable becomes a table, and after upper levels change (XSA-401, XSA-286)',
      ],
    ],
    { mutations: ['upper levels change without a flush'] },
  ),
  row(9, 'mappings that are not coherent', [[MM, '9: cache attributes are refused (XSA-402)']], {
    mutations: ['cache attributes are accepted in L1'],
    guest: 'test-page-tables',
  }),
  row(
    10,
    'a page taken while it is referenced',
    [
      [MM, '10: a frame that anything refers to is not exchanged (XSA-214, XSA-287)'],
      ['hypervisor/grant-copy.test.ts', "a frame in use, another's, or no slot for it"],
    ],
    { mutations: ['frames in use are transferred', 'frames in use are exchanged'] },
  ),
  row(
    11,
    'unpinned by giving back',
    [[MM, '11: giving a pinned table back does not unpin it, and it stays a table (XSA-252)']],
    { guest: 'test-memory-op' },
  ),
  row(
    12,
    'range of the current position',
    [[MM, '12: lists are checked where they are used, not only where they begin (XSA-29, XSA-212)']],
    { guest: 'test-guest-pointers' },
  ),
  row(13, 'an exchange that fails', [
    [MM, '13: an exchange that cannot finish leaves every frame with one owner (XSA-159)'],
  ]),
  row(14, 'orders, counts, counters', [
    [MM, '14: orders and counts beyond the bounds are refused (XSA-31, XSA-231)'],
    [MM, '14: neither counter of a frame overflows'],
  ]),
  row(
    15,
    'reference kept by an M2P update',
    [[MM, '15: an M2P update keeps no reference and is for the owner alone (XSA-113)']],
    { mutations: ['an M2P update keeps its reference'] },
  ),
  row(
    16,
    'where a grant entry may lie',
    [
      [
        GRANTS,
        "16: an entry named by its machine address is whole, and lies in a level-1 table of the caller's (XSA-227)",
      ],
    ],
    {
      mutations: [
        'grant entries need no alignment (XSA-227)',
        'grant entries go into any frame of the caller',
      ],
      guest: 'test-grants',
    },
  ),
  row(
    17,
    'unmap that does not match',
    [[GRANTS, '17: unmapping takes away exactly the mapping that the handle made (XSA-234)']],
    { mutations: ['unmapping does not look at the rights (XSA-234)'], guest: 'test-grants' },
  ),
  row(
    18,
    'host and device references',
    [[GRANTS, '18: host and device uses hold and drop a reference each, once (flags %i; XSA-224)']],
    { mutations: ['a second use takes no reference (XSA-224)', 'one end of a use ends both'] },
  ),
  row(
    19,
    'pins and references',
    [
      [
        GRANTS,
        '19: a mapping that fails, wherever it fails, leaves neither pin nor reference; a handle ends once (XSA-218, XSA-236)',
      ],
    ],
    { mutations: ['a mapping that fails stays pinned', 'a mapping that fails keeps its handle'] },
  ),
  row(
    20,
    'reading and writing cleared early',
    [[GRANTS, '20: reading and writing go with the last use of their kind, whatever the order (XSA-230)']],
    { mutations: ['writing goes with the first writable use (XSA-230)'] },
  ),
  row(21, 'free list of handles', [
    [GRANTS, '21: a handle that has ended is given out again, and never twice at once (XSA-228)'],
  ]),
  row(
    22,
    'transitive grants (none here)',
    [
      [
        GRANTS,
        '22: no grant is passed on: of the types of an entry only access permitted counts, for whole pages (XSA-226)',
      ],
    ],
    { mutations: ['any type of grant lets in'] },
  ),
  row(23, 'status pages of version 2 (none here)', [
    ['hypervisor/grant-table.test.ts', 'is one version only'],
  ]),
  row(24, 'statuses and results', [
    [
      GRANTS,
      '24: what an element says is not what the call says: a bad one is a negative status, and the others are done (XSA-316, XSA-318)',
    ],
  ]),
  row(25, 'swap_grant_ref', [[GRANTS, '25: entries in use are not swapped (XSA-134)']], {
    mutations: ['grants in use are swapped (XSA-134)'],
  }),
  row(
    26,
    'bounds of event ports',
    [
      [EVENTS, 'ends at 1023 ports with -ENOSPC and a table of exactly eight frames'],
      [EVENTS, 'close refuses free, reserved and impossible ports'],
      [EVENTS, 'answers -ENOMEM when Xen may use no more frames for the domain'],
    ],
    { mutations: ['a port beyond the table is looked at', 'the port table has no end'] },
  ),
  row(
    27,
    'poll of a bad port',
    [
      [
        'hypervisor/schedule.test.ts',
        'poll checks in order: structure, count, list, deliverable upcall, ports',
      ],
    ],
    { mutations: ['poll looks at ports beyond the table (XSA-221)'], guest: 'test-scheduling' },
  ),
  row(28, 'reset and close', [
    [EVENTS, 'reset closes everything and keeps the table'],
    [EVENTS, 'keeps pairs symmetric, VIRQ slots exact, free ports quiet, and never loses an unmasked event'],
  ]),
  row(
    29,
    'once valid, always valid',
    [
      [
        EVENTS,
        'is looked at anew each time: after a close or a reset nothing leads to it (XSA-338, XSA-343)',
      ],
    ],
    { mutations: ['the peer of a closed port stays connected', 'a closed VIRQ port keeps its VIRQ'] },
  ),
  row(30, 'FIFO without a control block (none here)', [
    ['hypervisor/evtchn-ops.test.ts', 'has no FIFO and no other operations'],
  ]),
  row(
    31,
    'descriptor tables',
    [[MM, "31: no descriptor leads to ring 0, to Xen's selectors, or to long mode; repairs are visible"]],
    {
      mutations: ['ring 0 descriptors are accepted', 'interrupt gates are accepted'],
      guest: 'test-descriptors',
    },
  ),
  row(32, 'limits of descriptor tables in software', [
    [
      'hypervisor/vcpu-isolation.test.ts',
      '32: software reads descriptors within the limits of their tables only (XSA-298)',
    ],
  ]),
  row(
    33,
    'emulation of privileged instructions',
    [
      [TRAPS, 'on the list are carried out by the engine and retire'],
      [TRAPS, 'behind the forced-emulation prefix: CPUID only'],
      [TRAPS, 'that cannot be read are a page fault'],
    ],
    { guest: 'test-privileged' },
  ),
  row(
    34,
    'privilege levels',
    [
      [TRAPS, "not on the list are the guest's own, as are all of them in ring 3"],
      [TRAPS, 'CLI is refused at virtual IOPL 0, bounced to the guest, and ignored at IOPL 1'],
      [TRAPS, 'whose DPL is too low stay #GP'],
    ],
    { guest: 'test-privileged' },
  ),
  row(
    35,
    'what ports and registers show',
    [[TRAPS, "see Xen's control registers, debug registers and ports"]],
    {
      guest: 'test-privileged',
    },
  ),
  row(36, 'buffers of xen_version', [[CALLS, 'zeroes buffers before it writes into them']]),
  row(
    37,
    'frames of iret',
    [
      [TRAPS, 'to ring 0 or without a frame crashes'],
      [TRAPS, 'to a bad selector is #GP in the context returned to'],
      [TRAPS, 'with VM set is #GP with a frame as if virtual-8086 mode had raised it'],
    ],
    { guest: 'test-iret' },
  ),
  row(38, 'multicall after a change of mode', [[CALLS, 'stops at iret, whose EAX is the answer']], {
    guest: 'test-multicall',
  }),
  row(39, 'int 0x80 without a handler', [
    [TRAPS, '0x80 has a gate of its own only when slot, DPL and mask allow it'],
  ]),
  row(
    40,
    '#DB behind MOV SS, debug registers',
    [
      [TRAPS, 'wait for the instruction after MOV SS, which runs first'],
      [CALLS, 'vm_assist, physdev_op, debug registers'],
    ],
    { guest: 'test-debug-registers' },
  ),
  row(41, 'SYSENTER (none here)', [[TRAPS, 'are registered by type']], { guest: 'test-callbacks' }),
  row(
    42,
    'unbounded work',
    [
      [LONG, 'is done in pieces, each of a few milliseconds, and to the end'],
      [
        LONG,
        'inside a multicall too: the rest stands in the element, the guest’s registers are its own, its result comes last',
      ],
      [LONG, 'as many elements of one request each are a long call as well'],
      [LONG, 'of frames exchanged to and fro is done in pieces'],
      [LONG, 'of trap handlers, of text, of grants: goes on later, in a multicall as elsewhere'],
      [LONG, 'of runs to populate is done in pieces: looking for a run is dear'],
    ],
    {
      mutations: [
        'validation costs nothing',
        'a long exchange is done at once',
        'a multicall ends its elements',
      ],
    },
  ),
  row(43, 'VCPUOP_initialise', [
    [
      'hypervisor/vcpu-isolation.test.ts',
      '43: a vCPU that runs is not initialised again, whatever the context says (XSA-296)',
    ],
  ]),
  row(
    44,
    'memory that was not scrubbed',
    [
      [MM, '44: a frame that changes hands is all zero'],
      [
        GRANTS,
        "44: a mapper never sees what a frame of the granter's becomes: it stays the granter's while it is mapped",
      ],
    ],
    { mutations: ['frames are not scrubbed'] },
  ),
  row(
    45,
    'frames given back while mapped',
    [
      [
        MM,
        '45: a frame given back while mapped is neither free nor forgotten in the account until the mapping goes (XSA-222)',
      ],
      [MM, '45: a domain cannot hold more than its maximum by keeping what it gave back'],
    ],
    { mutations: ['given-back frames stay reserved'] },
  ),
  row(46, 'ELF images', [
    ['toolstack/elf.test.ts', 'give an ImageError or a valid image, never anything else, and never large'],
  ]),
  row(
    47,
    'shared rings',
    [
      [CONSOLED, "never touches a page that has become a page table or somebody else's"],
      [STORED, 'take a header in pieces, byte by byte, across the edge of the ring'],
      [STORED, '%s end the connection and nobody else’s'],
    ],
    { guest: 'test-console-ring' },
  ),
  row(48, 'answers that leak', [[STORED, 'hold the bytes of answers and nothing of the daemon’s']]),
  row(
    49,
    'floods of nodes, watches, transactions',
    [
      [STORE, '1000 nodes and not one more; others have their own'],
      [STORE, 'are 128 at most, and no event is longer than a message'],
      [STORE, 'are ten at most, and 1024 changes each'],
      [STORE, 'an exhausted store says ENOSPC, loses nothing and goes on'],
      [STORED, 'wait for a guest that does not read, and cut it off when events pile up'],
    ],
    { guest: 'test-xenstore' },
  ),
  row(
    50,
    'rights of dead domains',
    [
      [STORE, 'leaves nothing that a later domain of the same number could inherit'],
      [STORED, 'a later domain of the same number inherits nothing'],
      [MM, '50: what others still map of a dead domain belongs to no later domain of its number'],
      [
        GRANTS,
        '50: a frame that Xen shared with a dead domain, and that others still map, belongs to no later domain of its number',
      ],
    ],
    { mutations: ['frames of Xen go on serving the number of a dead domain'] },
  ),
  row(51, 'root and owners in XenStore', [
    [STORE, 'of the root and of every owner are the control domain’s to change (XSA-352, XSA-353)'],
  ]),
  row(52, 'state of another vCPU', [
    [
      'hypervisor/vcpu-isolation.test.ts',
      '52: what one vCPU has set for itself no other finds (XSA-172, XSA-220)',
    ],
    [TRAPS, 'take over when a segment register cannot be reloaded after another vCPU ran'],
  ]),
];
