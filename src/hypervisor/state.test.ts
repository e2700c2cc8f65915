// The records of the hypervisor fit their slots, and the few offsets that lower layers must know without importing us are what they think.

import { describe, expect, it } from 'vitest';
import { DOMID_OFFSET, VCPU } from '../cpu/vcpu.ts';
import { DOMAIN_SIZE, stateAreaSize, VCPU_SIZE, XVCPU_OFFSET } from '../memory/map.ts';
import { COUNT_HYPERCALL, MACHINE } from '../trace/recorder.ts';
import { COUNTERS } from '../memory/map.ts';
import { REC, RECORD_SIZE, RECORD_TYPES } from '../trace/records.ts';
import { DOMAIN, PAGE, XEN, XVCPU } from './state.ts';

describe('records in STATE', () => {
  it('fit their slots', () => {
    expect(VCPU.$size).toBeLessThanOrEqual(XVCPU_OFFSET);
    expect(XVCPU.$size).toBeLessThanOrEqual(VCPU_SIZE - XVCPU_OFFSET);
    expect(DOMAIN.$size).toBeLessThanOrEqual(DOMAIN_SIZE);
    expect(XEN.$size).toBeLessThanOrEqual(stateAreaSize('xen'));
    expect(MACHINE.$size).toBeLessThanOrEqual(stateAreaSize('header'));
    expect(PAGE.$size).toBe(16);
    expect((COUNT_HYPERCALL + 64) * 4).toBeLessThanOrEqual(COUNTERS + stateAreaSize('counters'));
  });
  it('have the offsets that the layers below were told', () => {
    expect(DOMAIN.domid).toBe(DOMID_OFFSET);
    expect(REC.$size).toBe(RECORD_SIZE);
    expect(RECORD_TYPES.length).toBeLessThanOrEqual(64);
  });
});
