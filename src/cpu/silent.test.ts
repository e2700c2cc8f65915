// Which entries of the description the engine watches for silent moments: found from the description, held here against the list in
// the literature (J. S. Robin, C. E. Irvine, "Analysis of the Intel Pentium's ability to support a secure virtual machine monitor", 2000).

import { describe, expect, it } from 'vitest';
import { semantics } from '../isa/semantics/index.ts';
import { decode } from '../isa/decode.ts';
import { encode, sampleChoices } from '../isa/encodings.ts';
import { TABLE } from '../isa/table.ts';
import { SENSITIVE, type Sensitivity, sensitivity } from './silent.ts';

function watched(kind: Sensitivity): string[] {
  const names = new Set<string>();
  for (const form of TABLE.slice(1)) {
    for (const choice of sampleChoices(form)) {
      const bytes = encode(form, choice);
      if (bytes === undefined) continue;
      const insn = decode((i) => bytes[i] ?? 0, true);
      const entry = semantics.get(insn.form.semantics);
      if (insn.invalid !== undefined || entry === undefined) continue;
      if (sensitivity(entry, insn) === kind)
        names.add(insn.form.mnemonic.replace(/^(pushf|popf|iret)[wd]$/, '$1'));
    }
  }
  return [...names].sort();
}

describe('silent moments', () => {
  it('are looked for where the description touches the system without asking for a privilege', () => {
    const pointers = ['lds', 'les', 'lfs', 'lgs', 'lss'];
    const listed = [
      'sgdt',
      'sidt',
      'sldt',
      'smsw',
      'str',
      'pushf',
      'popf',
      'lar',
      'lsl',
      'verr',
      'verw',
      'push',
      'pop',
      'mov',
    ];
    // These look at CR0 only to decide whether they trap.
    const unit = ['wait', 'fninit', 'fnclex', 'fnstsw', 'fnstcw'];
    expect(watched(SENSITIVE.answers)).toEqual([...pointers, ...listed, ...unit].sort());
  });
  it('of control transfers only the flags of those that set some', () => {
    expect(watched(SENSITIVE.flags)).toEqual(['iret', 'sysenter']);
  });
});
