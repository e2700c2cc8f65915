// The five-minute walk, in both languages, by keys alone and by mouse alone. What the page says is held against the machine's own records.

import { expect, test } from '@playwright/test';
import { TRAP_KINDS, type TraceRecord } from '../src/trace/records.ts';
import { handOf, HANDS, type Hand, type HandName } from './support/hand.ts';
import { Lab, LANGS, LOCALE } from './support/lab.ts';
import { countOpening, expectOpening } from './support/opening.ts';
import { symbolOf, tourOf } from './support/tour.ts';

const FIRST = 'I am a kernel in ring 1.';
const THREE = `${FIRST}\nXen left me a note: xen-3.0-x86_32p\nGoodbye.`;
const HELLO = 1;

/** Chooses an answer by its id, after checking that the question is the tour's. */
async function predict(lab: Lab, hand: Hand, tour: string, stop: number, id: string): Promise<void> {
  const { ask, choices } = tourOf(tour, lab.lang).stops[stop]!;
  await expect(lab.guide.getByRole('group')).toContainText(ask!.replaceAll('`', ''));
  const n = choices.findIndex((c) => c.id === id);
  expect(n).toBeGreaterThanOrEqual(0);
  await hand.choose(n);
}
const choiceText = (lab: Lab, tour: string, stop: number, id: string): string =>
  tourOf(tour, lab.lang).stops[stop]!.choices.find((c) => c.id === id)!.text;

/** The instruction that is next, as the listing shows it to a person. */
async function expectNext(lab: Lab, text: string): Promise<void> {
  const row = lab.region('code').locator('[aria-current="step"]');
  await expect(row).toContainText(text);
  await expect(row).toBeInViewport({ ratio: 0.9 });
}
/** Who stood behind a record: follows `cause` back to what nothing led to. */
async function origin(lab: Lab, record: TraceRecord): Promise<TraceRecord> {
  const all = new Map((await lab.records()).map((r) => [r.seq, r]));
  let at = record;
  while (at.cause !== 0 && all.has(at.cause)) at = all.get(at.cause)!;
  return at;
}

async function runAndPredict(lab: Lab, hand: Hand): Promise<void> {
  await lab.moves(hand.primary);
  await lab.expectScreen(HELLO, THREE);
  const state = await lab.state();
  expect(state.ended).toMatchObject({ kind: 'end', reason: 'poweroff' });
  const traps = await lab.records({ types: ['trap'], groups: true });
  expect(traps.filter((r) => TRAP_KINDS[r.p[2]!] === 'hypercall')).toHaveLength(4);
  await expect(lab.region('timeline')).toContainText(lab.t('end_poweroff'));
  await expect(lab.guide).toContainText(String(state.instructions));

  // Who printed? The first console record belongs to a hypercall of the kernel: Xen wrote it, asked by the kernel.
  const printed = (await lab.records({ types: ['console'] }))[0]!;
  const asked = await origin(lab, printed);
  expect(asked).toMatchObject({ type: 'trap', phase: 'enter', domid: HELLO, cpl: 1 });
  await predict(lab, hand, 'hello', 1, 'guest');
  await expect(lab.guide.getByRole('status')).toContainText(choiceText(lab, 'hello', 1, 'xen'));
  await expect(lab.guide).toContainText(tourOf('hello', lab.lang).stops[1]!.after.slice(0, 20));
}

async function goBack(lab: Lab, hand: Hand): Promise<void> {
  await lab.moves(hand.primary);
  await lab.expectHeading(tourOf('hello', lab.lang).stops[2]!.heading);
  await expect(lab.console(HELLO)).not.toContainText(FIRST); // the letters are gone from the page, hidden text included
  await expect(lab.page.getByTestId('later')).toHaveText(lab.t('laterLines').replace('{n}', '3'));
  const traps = await lab.records({ types: ['trap'], groups: true });
  expect((await lab.state()).cursor.seq).toBeLessThan(traps[0]!.seq);
}

/** Steps through the first hypercall: the six phases in order, and the letters not a step too early. */
async function walkTheTrap(lab: Lab, hand: Hand): Promise<void> {
  const printed = (await lab.records({ types: ['console'] }))[0]!;
  const phases: string[] = [];
  for (let i = 0; i < 12 && phases.at(-1) !== 'return'; i++) {
    const before = (await lab.state()).cursor;
    await lab.moves(hand.stepOn);
    const record = await lab.recordAtCursor();
    expect(record.seq).toBe(before.seq + 1);
    const name = lab.t(`phase_${record.phase}` as 'phase_enter');
    await expect(lab.steps.locator('[aria-current="step"]')).toContainText(name);
    if (phases.at(-1) !== record.phase) phases.push(record.phase);
    await lab.expectScreen(HELLO, record.seq >= printed.seq ? FIRST : '');
  }
  expect(phases).toEqual(['enter', 'decode', 'check', 'act', 'answer', 'return']);
}

async function backOverTheLetters(lab: Lab, hand: Hand): Promise<void> {
  const printed = (await lab.records({ types: ['console'] }))[0]!;
  const end = (await lab.state()).cursor;
  while ((await lab.state()).cursor.seq >= printed.seq) await lab.moves(hand.stepBack);
  expect((await lab.recordAtCursor()).seq).toBe(printed.seq - 1);
  await expect(lab.console(HELLO)).not.toContainText(FIRST);
  const hash = await lab.stateHash();
  await lab.moves(hand.stepBack);
  await lab.moves(hand.stepOn);
  expect(await lab.stateHash()).toBe(hash); // the same place is the same machine
  while ((await lab.state()).cursor.seq < end.seq) await lab.moves(hand.stepOn);
  await lab.expectScreen(HELLO, FIRST);
  await expect(lab.guide).toContainText(tourOf('hello', lab.lang).stops[2]!.after.split(/[{]/)[0]!.trim());
}

async function changeThePast(lab: Lab, hand: Hand): Promise<void> {
  const mine = 'My name is Nobody.';
  await lab.moves(hand.primary);
  await expect(lab.guide.getByRole('textbox')).toHaveValue(FIRST);
  expect((await lab.state()).branches).toHaveLength(1);
  await lab.moves(() => hand.rewrite(mine));
  await lab.expectScreen(HELLO, THREE.replace(FIRST, mine));
  const { branches, branch } = await lab.state();
  expect(branches).toHaveLength(2);

  // The old future is still there, and so is the new one.
  const select = lab.region('timeline').getByRole('combobox', { name: lab.t('branch') });
  await lab.moves(() => hand.pick(select, 0));
  expect((await lab.state()).branch).not.toBe(branch);
  await lab.expectScreen(HELLO, THREE);
  await lab.moves(() => hand.pick(select, 1));
  expect((await lab.state()).branch).toBe(branch);
  await lab.moves(hand.run);
  await lab.expectScreen(HELLO, THREE.replace(FIRST, mine));
}

async function goOn(lab: Lab, hand: Hand): Promise<void> {
  const { stops } = tourOf('hello', lab.lang);
  await hand.primary();
  await lab.expectHeading(stops.at(-1)!.heading);
  await expect(lab.primary).toHaveText(stops.at(-1)!.button!);
  await hand.primary();
  await lab.expectHeading(tourOf('rings', lab.lang).stops[0]!.heading);
  await expectOpening(lab);
}

async function refusedCli(lab: Lab, hand: Hand): Promise<void> {
  await lab.moves(hand.primary);
  const cli = symbolOf('rings', 'at_cli');
  await lab.expectHeading(tourOf('rings', lab.lang).stops[1]!.heading);
  await expectNext(lab, 'cli');
  const before = (await lab.trace({ types: ['trap'], groups: true })).total;
  await lab.moves(() => predict(lab, hand, 'rings', 1, 'emulated'));
  await expect(lab.guide.getByRole('status')).toContainText(choiceText(lab, 'rings', 1, 'refused'));
  const traps = await lab.records({ types: ['trap'], groups: true });
  expect(traps.length).toBeGreaterThan(before);
  const gp = traps.find((r) => r.eip === cli)!;
  expect(gp).toMatchObject({ type: 'trap', aux: 13, cpl: 1, outcome: 'refused' });
  // It went to the kernel's own handler: the frame that Xen built leads into the guest's code in ring 1.
  const bounce = (await lab.records({ types: ['bounce'] })).find((r) => r.cause === gp.seq)!;
  expect(bounce.aux).toBe(13);
  expect(bounce.p[4]).toBe(symbolOf('rings', 'gate_gp'));
  expect(bounce.p[3]! & 3).toBe(1);
  await expect(lab.region('traplog').getByRole('row').filter({ hasText: '#GP' }).first()).toContainText(
    lab.t('outcome_refused'),
  );
}

async function silentPopf(lab: Lab, hand: Hand): Promise<void> {
  await lab.moves(hand.primary);
  const popf = symbolOf('rings', 'at_popf');
  await lab.expectHeading(tourOf('rings', lab.lang).stops[2]!.heading);
  await expectNext(lab, 'popf');
  await expect(lab.page.getByTestId('lie-IF')).toHaveCount(0);
  const rows = lab.region('traplog').getByTestId('trap-total');
  const written = await rows.innerText();
  const before = await lab.trace({ types: ['trap'] });
  await lab.moves(() => predict(lab, hand, 'rings', 2, 'silent'));
  await expect(lab.guide.getByRole('status')).toContainText(choiceText(lab, 'rings', 2, 'silent'));
  expect(await lab.trace({ types: ['trap'] })).toEqual(before); // no trap: not one record more
  await expect(rows).toHaveText(written);
  const silent = (await lab.records({ types: ['silent'] })).find((r) => r.eip === popf)!;
  expect(silent.outcome).toBe('silent');
  expect((silent.p[0]! >>> 9) & 1).toBe(0);
  expect((silent.p[1]! >>> 9) & 1).toBe(1);
  await expect(lab.page.getByTestId('lie-IF')).toBeVisible();
  await expect(lab.page.getByTestId('lie-IF')).toContainText('0');
  await expect(lab.page.getByTestId('lie-IF')).toContainText('1');
}

async function straightToTheKernel(lab: Lab, hand: Hand): Promise<void> {
  await lab.moves(hand.primary);
  await lab.expectHeading(tourOf('rings', lab.lang).stops[3]!.heading);
  await expectNext(lab, 'int 0x80');
  const before = await lab.trace({ types: ['trap'] });
  await lab.moves(() => predict(lab, hand, 'rings', 3, 'guest'));
  await expect(lab.guide.getByRole('status')).toContainText(choiceText(lab, 'rings', 3, 'guest'));
  expect(await lab.trace({ types: ['trap'] })).toEqual(before); // no Xen mark
  const direct = (await lab.records({ types: ['ringchange'] })).at(-1)!;
  expect(direct).toMatchObject({ aux: 0x80, outcome: 'direct' });
  expect(direct.p.slice(0, 2)).toEqual([3, 1]);
  await expect(lab.page.getByTestId('steps')).toContainText(lab.t('outcome_direct'));
}

/** The door of hypercalls from ring 3: refused by the gate, handed to the kernel; then three doors side by side. */
async function theOtherDoor(lab: Lab, hand: Hand): Promise<void> {
  await lab.moves(hand.primary);
  await lab.expectHeading(tourOf('rings', lab.lang).stops[4]!.heading);
  await expectNext(lab, 'int 0x82');
  await lab.moves(() => predict(lab, hand, 'rings', 4, 'served'));
  await expect(lab.guide.getByRole('status')).toContainText(choiceText(lab, 'rings', 4, 'refused'));
  const door = symbolOf('rings', 'door_int82_ring3');
  const gp = (await lab.records({ types: ['trap'], groups: true })).find((r) => r.eip === door)!;
  expect(gp).toMatchObject({ aux: 13, cpl: 3, outcome: 'refused' });
  expect(gp.p[0]).toBe(0x412);
  await expect(lab.guide).toContainText('0x412');
  await hand.primary();
  await lab.expectHeading(tourOf('rings', lab.lang).stops[5]!.heading);
  await expect(lab.page.locator('[data-door][data-open="true"]')).toHaveCount(3);
}

async function walk(lab: Lab, hand: Hand): Promise<void> {
  const opening = await expectOpening(lab);
  expect(opening.panels).toEqual(['control', 'code', 'console:1', 'guide']);
  await runAndPredict(lab, hand);
  await goBack(lab, hand);
  await walkTheTrap(lab, hand);
  await backOverTheLetters(lab, hand);
  await changeThePast(lab, hand);
  await goOn(lab, hand);
}

for (const lang of LANGS) {
  for (const name of HANDS) {
    test.describe(`the five-minute walk, ${lang}, ${name} alone`, () => {
      test.use({ locale: LOCALE[lang] });
      const begin = async (page: Parameters<typeof Lab.open>[0], hash: string): Promise<[Lab, Hand]> => {
        const lab = await Lab.open(page, hash, { lang });
        return [lab, handOf(name as HandName, lab)];
      };
      test('who printed that', async ({ page }) => {
        const [lab, hand] = await begin(page, 'hello');
        await walk(lab, hand);
      });
      test('what traps, what lies', async ({ page }) => {
        const [lab, hand] = await begin(page, 'rings');
        expect((await expectOpening(lab)).panels).toEqual(['control', 'code', 'traplog', 'guide']);
        await refusedCli(lab, hand);
        await silentPopf(lab, hand);
        await straightToTheKernel(lab, hand);
        await theOtherDoor(lab, hand);
      });
    });
  }
}

for (const lang of LANGS) {
  for (const lab of ['hello', 'rings', 'ping', 'silence']) {
    test(`the opening of ${lab} is small, ${lang}`, async ({ page }) => {
      const opened = await Lab.open(page, lab, { lang });
      const { controls, words } = await expectOpening(opened);
      const again = await countOpening(page);
      expect(again.words).toEqual(words);
      console.log(`${lab} ${lang}: ${controls.length} controls, ${words.length} words`);
    });
  }
}
