// The next instruction and the processor it will run on: disassembly with source lines, registers, flags, segment registers. While the machine
// is paused a register or flag can be typed over; that is an edit of the past like any other.

import { useRef, useState } from 'react';
import type { CodeModel, CodeRow } from '../../../lab/inspect/code.ts';
import type { CpuModel } from '../../../lab/inspect/cpu.ts';
import { localise } from '../../../lab/i18n/messages.ts';
import { defineText, useLang, useText } from '../../i18n/index.ts';
import { changeMachine } from '../../shell/actions.ts';
import { labState, useLab, useModel } from '../../store/lab.ts';
import { useSettings } from '../../store/settings.ts';
import { useTrap } from '../../store/trap.ts';
import { ownerOf } from '../../text/owner.ts';
import { Badge } from '../../widgets/badge.tsx';
import { DomainSelect } from '../../widgets/domain-select.tsx';
import { Editable } from '../../widgets/editable.tsx';
import { hex, hex32, hexByte, parseHex } from '../../widgets/hex.ts';
import plate from '../../widgets/plate.module.css';
import { Value, Values } from '../../widgets/value.tsx';
import type { PanelProps } from '../contract.ts';
import style from './style.module.css';

const TEXT = defineText({
  en: {
    domain: 'Domain',
    follow: 'whoever runs',
    ring: 'privilege ring {n}',
    registers: 'Registers',
    flags: 'Flags',
    segments: 'Segment registers',
    control: 'Control registers',
    code: 'Code',
    mask: 'event mask {n}',
    none: 'No guest yet: drop a kernel on the page, or open a lab.',
    sel: 'selector',
    base: 'base',
    limit: 'limit',
    dpl: 'DPL',
    xens: 'belongs to Xen',
    flip: 'flip {name}',
    change: 'Change',
    lie: '{name}: asked {asked} · is {got} · nobody was told',
  },
  ko: {
    domain: '도메인',
    follow: '실행 중인 도메인',
    ring: '특권 링 {n}',
    registers: '레지스터',
    flags: '플래그',
    segments: '세그먼트 레지스터',
    control: '제어 레지스터',
    code: '코드',
    mask: '이벤트 마스크 {n}',
    none: '아직 게스트가 없습니다. 커널을 페이지에 놓거나 실습을 여십시오.',
    sel: '셀렉터',
    base: '베이스',
    limit: '한계',
    dpl: 'DPL',
    xens: 'Xen의 것',
    flip: '{name} 뒤집기',
    change: '바꾸기',
    lie: '{name}: 요청 {asked} · 실제 {got} · 알림 없음',
  },
});

/** Values that differ from the stop before stay marked for the whole step. */
function useBefore(cpu: CpuModel | undefined): CpuModel | undefined {
  const seen = useRef<{ now: CpuModel | undefined; before: CpuModel | undefined }>({
    now: undefined,
    before: undefined,
  });
  if (cpu && cpu !== seen.current.now)
    seen.current = { now: cpu, before: seen.current.now?.domid === cpu.domid ? seen.current.now : undefined };
  return seen.current.before;
}

/** Keeps the next instruction in sight: scrolls the listing, and only the listing. */
function centre(row: HTMLDivElement | null): void {
  const list = row?.closest<HTMLElement>('[data-listing]');
  if (!row || !list) return;
  const at = row.offsetTop - list.offsetTop;
  if (at < list.scrollTop + 40 || at > list.scrollTop + list.clientHeight - 60)
    list.scrollTop = Math.max(0, at - list.clientHeight / 3);
}

function Line({ row, domid }: { readonly row: CodeRow; readonly domid: number }) {
  return (
    <>
      {row.label !== undefined && <div className={style.label}>{row.label}:</div>}
      {row.source && (
        <div className={style.source}>
          <span className="quiet">{row.source.line}</span> {row.source.text.trim()}
        </div>
      )}
      <div
        className={style.row}
        ref={row.current ? centre : undefined}
        data-now={row.current || undefined}
        aria-current={row.current ? 'step' : undefined}
      >
        <Value kind="vaddr" value={row.address} domid={domid}>
          {hex32(row.address)}
        </Value>
        <span className={style.bytes}>{row.bytes.map(hexByte).join(' ')}</span>
        <span className={style.text}>{row.text}</span>
      </div>
    </>
  );
}

/** The source line is shown where it changes, not on every instruction it made. */
const oncePerLine = (rows: readonly CodeRow[]): CodeRow[] =>
  rows.map((r, i) =>
    i > 0 && r.source && rows[i - 1]!.source?.line === r.source.line ? { ...r, source: undefined } : r,
  );

/** Flags that stand there even when they are 0; the others show when set, changed or open for change. */
const OFTEN: ReadonlySet<string> = new Set(['CF', 'ZF', 'SF', 'OF', 'IF', 'TF', 'DF']);

/** Bits of EFLAGS about which the moment on stage told nothing: a silent record's mask, asked and got. */
function useLie(): { readonly mask: number; readonly asked: number; readonly got: number } | undefined {
  const trap = useTrap();
  const r = trap && trap.at >= 0 ? trap.records[trap.at] : undefined;
  const T = labState().cursor.T;
  return r?.type === 'silent' && (trap?.selected || T <= r.T)
    ? { asked: r.p[0]!, got: r.p[1]!, mask: r.p[3]! }
    : undefined;
}

function Registers({ cpu, change }: { readonly cpu: CpuModel; readonly change: boolean }) {
  const t = useText(TEXT);
  const lie = useLie();
  const paused = useLab((s) => s.phase === 'paused');
  const before = useBefore(cpu);
  // From the last row only what changed can be read anyway: the rest makes room for the code.
  const spare = useSettings((s) => s.theme === 'presenter') && !change;
  const edit = (register: string, value: number): void =>
    void changeMachine({ kind: 'editRegister', vcpu: cpu.vcpu, register, value });
  const cell = (name: string, value: number, old: number | undefined) => (
    <div
      key={name}
      className={style.register}
      data-changed={(old !== undefined && old !== value) || undefined}
    >
      <span>{name}</span>
      <Value kind="vaddr" value={value} domid={cpu.domid}>
        {change ? (
          <Editable
            label={name}
            text={hex32(value)}
            parse={parseHex}
            disabled={!paused}
            onCommit={(v) => edit(name, v)}
          />
        ) : (
          hex32(value)
        )}
      </Value>
    </div>
  );
  return (
    <Values label={t('registers')}>
      <div className={style.registers}>
        {cpu.gpr.map((r, i) => {
          const old = before?.gpr[i]?.value;
          if (spare && (old === undefined || old === r.value)) return null;
          return cell(r.name, r.value, old);
        })}
        {change && cell('eip', cpu.eip, before?.eip)}
        {change && cell('eflags', cpu.eflags, before?.eflags)}
      </div>
      <fieldset className={style.flags} aria-label={t('flags')}>
        {cpu.flags.map((f, i) => {
          const changed = (before && before.flags[i]?.value !== f.value) || undefined;
          if (
            !change &&
            !changed &&
            f.value === 0 &&
            (spare || !OFTEN.has(f.name)) &&
            !(lie && lie.mask & f.bit)
          )
            return null;
          if (lie && lie.mask & f.bit)
            return (
              <span key={f.name} className="silent-box small" data-testid={`lie-${f.name}`}>
                {t('lie', {
                  name: f.name,
                  asked: String(lie.asked & f.bit ? 1 : 0),
                  got: String(lie.got & f.bit ? 1 : 0),
                })}
              </span>
            );
          if (!change)
            return (
              <span
                key={f.name}
                className={style.flag}
                data-changed={changed}
                data-set={f.value === 1 || undefined}
              >
                {f.name} {f.value}
              </span>
            );
          return (
            <button
              key={f.name}
              type="button"
              className={style.flag}
              aria-pressed={f.value === 1}
              disabled={!paused || !f.editable}
              title={f.editable ? t('flip', { name: f.name }) : t('xens')}
              data-changed={changed}
              onClick={() => edit('eflags', cpu.eflags ^ f.bit)}
            >
              {f.name} {f.value}
            </button>
          );
        })}
        <span className={style.iopl}>
          IOPL {cpu.iopl}
          {cpu.upcallMask !== undefined && ` · ${t('mask', { n: cpu.upcallMask })}`}
        </span>
      </fieldset>
    </Values>
  );
}

function Details({ cpu }: { readonly cpu: CpuModel }) {
  const t = useText(TEXT);
  return (
    <details>
      <summary className={style.more}>
        {t('segments')} · {t('control')}
      </summary>
      <table className={plate.table}>
        <thead>
          <tr>
            <th aria-label={t('segments')} />
            <th>{t('sel')}</th>
            <th>{t('base')}</th>
            <th>{t('limit')}</th>
            <th>{t('dpl')}</th>
          </tr>
        </thead>
        <tbody>
          {cpu.segments.map((s) => (
            <tr key={s.name}>
              <td>{s.name}</td>
              <td className="mono">{s.selector.toString(16).padStart(4, '0')}</td>
              <td className="mono">{hex32(s.base)}</td>
              <td className="mono">{hex32(s.limit)}</td>
              <td>{s.dpl}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <div className={style.registers}>
        {cpu.control.map((c) => (
          <div key={c.name} className={style.register}>
            <span>{c.name}</span>
            <span className="mono">{hex32(c.value)}</span>
          </div>
        ))}
      </div>
    </details>
  );
}

export default function Code(_: PanelProps) {
  const t = useText(TEXT);
  const lang = useLang();
  const [domid, setDomid] = useState<number>();
  const [change, setChange] = useState(false);
  const started = useLab((s) => s.cursor.T > 0);
  const domains = useLab((s) => s.domains);
  const args = domid === undefined ? {} : { domid };
  const code = useModel<CodeModel | null>('code', { ...args, before: 4, count: 24 });
  const cpu = useModel<CpuModel | null>('cpu', args);
  if (!code.model || !cpu.model) return <p className={plate.empty}>{t('none')}</p>;
  const { model } = cpu;
  return (
    <div className={`${plate.pad} ${style.panel}`}>
      <div className={`${plate.tools} ${style.head}`}>
        {domains.filter((d) => d.kind === 'pv').length > 1 && (
          <DomainSelect label={t('domain')} follow={t('follow')} value={domid} onChange={setDomid} />
        )}
        <span className={style.where}>
          <Badge owner={ownerOf(model.domid, domains)} /> {model.name} · {t('ring', { n: model.cpl })}
          {code.model.symbol !== undefined && (
            <>
              {' '}
              · <span className="mono">{code.model.symbol}</span>
            </>
          )}
        </span>
        <button
          type="button"
          className="button small"
          aria-pressed={change}
          onClick={() => setChange(!change)}
        >
          {t('change')}
        </button>
      </div>
      {(started || change) && <Registers cpu={model} change={change} />}
      <div className={style.listing} data-listing>
        <Values label={t('code')} className={style.code}>
          {code.model.problem !== undefined && (
            <p className={plate.empty}>{localise(code.model.problem, lang)}</p>
          )}
          {oncePerLine(code.model.rows).map((row) => (
            <Line key={row.address} row={row} domid={model.domid} />
          ))}
        </Values>
      </div>
      {change && <Details cpu={model} />}
      <span className="visually-hidden">{`${model.gpr.map((r) => `${r.name} ${hex(r.value)}`).join(', ')}, eip ${hex(model.eip)}`}</span>
    </div>
  );
}
