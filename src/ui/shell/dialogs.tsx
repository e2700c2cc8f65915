// Everything that waits behind a key: views, labs, shortcuts, breakpoints.

import { type ChangeEvent, useState } from 'react';
import type { Breakpoint } from '../../lab/types.ts';
import { hypercallName, hypercallNumber, vectorName } from '../../lab/narrate/names.ts';
import { type ShellKey, useLang, useT } from '../i18n/index.ts';
import { fitting } from '../panels/registry.ts';
import { session, useBare, useLab } from '../store/lab.ts';
import { type Theme, useSettings } from '../store/settings.ts';
import { useUi } from '../store/ui.ts';
import { Dialog } from '../widgets/dialog.tsx';
import { Icon } from '../widgets/icon.tsx';
import { leaveTalkFile, takeFile } from '../talk/talk.ts';
import { MomentDialog } from '../talk/moment.tsx';
import { Notebook } from './notebook.tsx';
import { Shelf } from './shelf.tsx';
import { columnsOf, openLab, setColumns } from './actions.ts';
import style from './app.module.css';
import { KEY_TABLE, PROJECTOR_TABLE } from './keys.ts';
import { LABS, labOf } from './labs.ts';

const close = (): void => useUi.getState().set({ dialog: undefined });

/** Adds a panel, or takes it off; a fourth one replaces the last. */
function toggle(columns: readonly (readonly string[])[], key: string): readonly (readonly string[])[] {
  if (columns.flat().includes(key))
    return columns.map((c) => c.filter((k) => k !== key)).filter((c) => c.length > 0);
  const full = columns.flat().length >= 3;
  const kept = full
    ? columns.map((c, i) => (i === columns.length - 1 ? c.slice(0, -1) : c)).filter((c) => c.length > 0)
    : columns;
  const last = kept.at(-1);
  if (!last || kept.length < 2) return [...kept, [key]];
  return [...kept.slice(0, -1), [...last, key]];
}

function Views() {
  const t = useT();
  const lang = useLang();
  const lab = useUi((s) => s.lab);
  const layouts = useSettings((s) => s.layouts);
  const domains = useLab((s) => s.domains).filter((d) => d.kind === 'pv');
  const columns = columnsOf(labOf(lab), layouts);
  const open = new Set(columns.flat());
  const rows = fitting(useBare()).flatMap((p) =>
    p.perDomain && domains.length > 0
      ? domains.map((d) => ({
          key: `${p.id}:${d.domid}`,
          title: `${p.title[lang]} · ${d.name}`,
          when: p.when[lang],
        }))
      : [{ key: p.id, title: p.title[lang], when: p.when[lang] }],
  );
  return (
    <Dialog title={t('addView')} onClose={close}>
      <p className="small quiet">{t('threeViews')}</p>
      <ul className={`${style.list} ${style.dense}`}>
        {rows.map((r) => (
          <li key={r.key}>
            <button
              type="button"
              className={style.row}
              aria-pressed={open.has(r.key)}
              onClick={() => setColumns(toggle(columns, r.key))}
            >
              <Icon name={open.has(r.key) ? 'check' : 'add'} />
              <span>
                <strong>{r.title}</strong>
                {r.when}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

function Labs() {
  const t = useT();
  const lang = useLang();
  const here = useUi((s) => s.lab);
  const pick = (e: ChangeEvent<HTMLInputElement>): void => {
    const file = e.target.files?.[0];
    if (file) void takeFile(file).then(close);
  };
  return (
    <Dialog title={t('labs')} onClose={close}>
      <ul className={style.list}>
        {LABS.map((l) => (
          <li key={l.id}>
            <button
              type="button"
              className={style.row}
              aria-current={l.id === here}
              onClick={() => {
                leaveTalkFile();
                void openLab(l.id);
              }}
            >
              <Icon name="run" />
              <span>
                <strong>{l.title[lang]}</strong>
                {t(`lab_${l.id}` as ShellKey)}
              </span>
            </button>
          </li>
        ))}
        <li>
          <label className={style.row}>
            <Icon name="drop" />
            <span>
              <strong>{t('ownTitle')}</strong>
              {t('lab_own')}
              <input type="file" className="visually-hidden" onChange={pick} />
            </span>
          </label>
        </li>
      </ul>
      <p>
        <button
          type="button"
          className="button edged"
          onClick={() => useUi.getState().set({ dialog: 'notebook' })}
        >
          {t('notebook')} <kbd className="key">N</kbd>
        </button>{' '}
        <button
          type="button"
          className="button edged"
          onClick={() => useUi.getState().set({ dialog: 'shelf' })}
        >
          {t('shelf')} <kbd className="key">K</kbd>
        </button>
      </p>
      <p className="small">
        {t('starterHint')}{' '}
        <a href="guests/starter/starter.elf" download>
          starter.elf
        </a>{' '}
        ·{' '}
        <a href="guests/starter/kernel.c" download>
          kernel.c
        </a>{' '}
        ·{' '}
        <a href="guests/starter/start.asm" download>
          start.asm
        </a>{' '}
        ·{' '}
        <a href="guests/starter/build.sh" download>
          build.sh
        </a>
      </p>
    </Dialog>
  );
}

const KEY_NAMES: Readonly<Record<string, string>> = {
  Period: '.',
  Comma: ',',
  Slash: '?',
  Digit0: '0',
  Escape: 'Esc',
  ArrowRight: '→',
  ArrowLeft: '←',
};
const keyName = (code: string, shift: boolean): string =>
  code === 'Slash' ? '?' : `${shift ? 'Shift ' : ''}${KEY_NAMES[code] ?? code.replace('Key', '')}`;
const THEMES: readonly Theme[] = ['light', 'dark', 'presenter'];

/** The keys that mean something else, or anything at all, on a projector only. */
function ProjectorKeys() {
  const t = useT();
  const actions = [...new Set(PROJECTOR_TABLE.map((k) => k[1]))];
  return (
    <table className={style.keys}>
      <caption className={style.caption}>{t('projectorKeys')}</caption>
      <tbody>
        {actions.map((a) => (
          <tr key={a}>
            <td>
              {PROJECTOR_TABLE.filter((k) => k[1] === a).map((k) => (
                <span key={k[0]}>
                  <kbd className="key">{keyName(k[0], false)}</kbd>{' '}
                </span>
              ))}
              {a === 'backToBeat' && <kbd className="key">Esc</kbd>}
            </td>
            <td>{t(`key_${a}` as ShellKey)}</td>
          </tr>
        ))}
        <tr>
          <td>
            {['1', '2', '3', '4', '?'].map((k) => (
              <kbd key={k} className="key">
                {k}
              </kbd>
            ))}
          </td>
          <td>{t('key_vote')}</td>
        </tr>
        <tr>
          <td>
            <kbd className="key">Enter</kbd>
          </td>
          <td>{t('key_reveal')}</td>
        </tr>
      </tbody>
    </table>
  );
}

function Keys() {
  const t = useT();
  const { letterKeys, theme, set } = useSettings();
  const actions = [...new Set(KEY_TABLE.map((k) => k[2]))];
  return (
    <Dialog title={t('help')} onClose={close} wide>
      <div className={style.columns}>
        <table className={style.keys}>
          <tbody>
            <tr>
              <td>
                {['1', '2', '3', '4', '?'].map((k) => (
                  <kbd key={k} className="key">
                    {k}
                  </kbd>
                ))}
              </td>
              <td>{t('key_predict')}</td>
            </tr>
            <tr>
              <td>
                <kbd className="key">Enter</kbd>
              </td>
              <td>{t('key_primary')}</td>
            </tr>
            {actions.map((a) => (
              <tr key={a}>
                <td>
                  {KEY_TABLE.filter((k) => k[2] === a).map((k) => (
                    <span key={k[0]}>
                      <kbd className="key">{keyName(k[0], k[1])}</kbd>{' '}
                    </span>
                  ))}
                  {a === 'run' && <kbd className="key">{t('space')}</kbd>}
                </td>
                <td>{t(`key_${a}` as ShellKey)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <ProjectorKeys />
      </div>
      <label className={style.setting}>
        <input type="checkbox" checked={letterKeys} onChange={(e) => set({ letterKeys: e.target.checked })} />
        {t('letterKeys')}
      </label>
      <label className={style.setting}>
        {t('theme')}
        <select className="field" value={theme} onChange={(e) => set({ theme: e.target.value as Theme })}>
          {THEMES.map((x) => (
            <option key={x} value={x}>
              {t(`theme_${x}`)}
            </option>
          ))}
        </select>
      </label>
      <p className="small quiet">{t('handoutHint')}</p>
    </Dialog>
  );
}

function breakpointText(
  b: Breakpoint,
  t: (key: ShellKey) => string,
  nameOf: (domid: number) => string,
): string {
  const parts: string[] = [];
  if (b.address !== undefined) parts.push(`${t('bp_address')} 0x${b.address.toString(16)}`);
  if (b.vector !== undefined) parts.push(vectorName(b.vector));
  if (b.hypercall !== undefined) parts.push(hypercallName(b.hypercall));
  if (b.outcome) parts.push(t(`outcome_${b.outcome}`));
  if (b.domid !== undefined) parts.push(nameOf(b.domid));
  return parts.join(' · ');
}
const WHAT = ['address', 'vector', 'hypercall', 'silent', 'refused'] as const;

function Breakpoints() {
  const t = useT();
  const list = useLab((s) => s.breakpoints);
  const domains = useLab((s) => s.domains).filter((d) => d.kind === 'pv');
  const [what, setWhat] = useState<(typeof WHAT)[number]>('address');
  const [value, setValue] = useState('');
  const [domid, setDomid] = useState('');
  const number = /^(0x[0-9a-f]+|\d+)$/i.test(value.trim())
    ? Number(value)
    : what === 'hypercall'
      ? hypercallNumber(value.trim())
      : undefined;
  const needs = what !== 'silent' && what !== 'refused';
  const add = (): void => {
    const id = 1 + Math.max(0, ...list.map((b) => b.id));
    const kind = needs ? { [what]: number } : { outcome: what };
    session().setBreakpoints([
      ...list,
      { id, enabled: true, ...kind, ...(domid === '' ? {} : { domid: Number(domid) }) } as Breakpoint,
    ]);
    setValue('');
  };
  return (
    <Dialog title={t('breakpoints')} onClose={close}>
      {list.length === 0 && <p className="quiet">{t('noBreakpoints')}</p>}
      <ul className={style.list}>
        {list.map((b) => (
          <li key={b.id} className={style.setting}>
            <label className={style.setting}>
              <input
                type="checkbox"
                checked={b.enabled}
                onChange={(e) =>
                  session().setBreakpoints(
                    list.map((x) => (x.id === b.id ? { ...x, enabled: e.target.checked } : x)),
                  )
                }
              />
              {breakpointText(b, t, (d) => domains.find((x) => x.domid === d)?.name ?? String(d))}
            </label>
            <button
              type="button"
              className="button square"
              aria-label={t('remove')}
              onClick={() => session().setBreakpoints(list.filter((x) => x.id !== b.id))}
            >
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
      <form
        className={style.breakForm}
        onSubmit={(e) => {
          e.preventDefault();
          if (!needs || number !== undefined) add();
        }}
      >
        <label>
          {t('bp_what')}
          <select className="field" value={what} onChange={(e) => setWhat(e.target.value as typeof what)}>
            {WHAT.map((w) => (
              <option key={w} value={w}>
                {t(`bp_${w}`)}
              </option>
            ))}
          </select>
        </label>
        {needs && (
          <label>
            {t(what === 'hypercall' ? 'bp_nameOrNumber' : 'bp_number')}
            <input
              className="field mono"
              value={value}
              onChange={(e) => setValue(e.target.value)}
              placeholder={what === 'address' ? '0xc0000000' : what === 'hypercall' ? 'console_io' : '13'}
            />
          </label>
        )}
        <label>
          {t('bp_domain')}
          <select className="field" value={domid} onChange={(e) => setDomid(e.target.value)}>
            <option value="">{t('anyDomain')}</option>
            {domains.map((d) => (
              <option key={d.domid} value={d.domid}>
                {d.name}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" className="button edged" disabled={needs && number === undefined}>
          {t('add')}
        </button>
      </form>
    </Dialog>
  );
}

export function Dialogs() {
  const dialog = useUi((s) => s.dialog);
  if (dialog === 'views') return <Views />;
  if (dialog === 'labs') return <Labs />;
  if (dialog === 'keys') return <Keys />;
  if (dialog === 'breakpoints') return <Breakpoints />;
  if (dialog === 'notebook') return <Notebook />;
  if (dialog === 'shelf') return <Shelf />;
  if (dialog === 'moment') return <MomentDialog />;
  return null;
}
