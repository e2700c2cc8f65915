// Any address of any domain, level by level: index, entry, flags, and what Xen knows of every frame on the way.

import { useState } from 'react';
import { CR0_PG } from '../../../cpu/paging.ts';
import type { CpuModel } from '../../../lab/inspect/cpu.ts';
import type { FrameModel, PageWalkModel } from '../../../lab/inspect/frame.ts';
import type { WalkLevel } from '../../../lab/inspect/walk.ts';
import { fill as fillRule } from '../../../lab/narrate/rules.ts';
import { defineText, useLang, useText } from '../../i18n/index.ts';
import { useBare, useLab, useModel } from '../../store/lab.ts';
import { ownerOf } from '../../text/owner.ts';
import { Badge } from '../../widgets/badge.tsx';
import { DomainSelect } from '../../widgets/domain-select.tsx';
import { hex, hex32, parseHex } from '../../widgets/hex.ts';
import plate from '../../widgets/plate.module.css';
import { Value, Values } from '../../widgets/value.tsx';
import type { PanelProps } from '../contract.ts';
import style from './style.module.css';

const TEXT = defineText({
  en: {
    domain: 'Domain',
    follow: 'whoever runs',
    address: 'Address (hexadecimal)',
    here: 'EIP',
    level: 'level',
    index: 'index',
    entry: 'entry',
    flags: 'flags',
    points: 'points to',
    owner: 'owner',
    type: 'type',
    count: 'type uses',
    pfn: 'pfn',
    result: 'Machine address',
    nothing: 'The walk ends at level {n}: the entry is not present.',
    writable: 'writable',
    readonly: 'read-only',
    user: 'ring 3 may',
    kernel: 'rings 0–2 only',
    refused: 'Xen’s last refusal about a frame of this walk',
    agree: 'P2M and M2P agree',
    differ: 'P2M says {p2m}',
    bad: 'Write an address like c0101000.',
    off: 'Paging is off: an address is where it says it is.',
    none: 'No guest yet.',
    legend:
      'P present · W writable · U ring 3 · A accessed · D dirty · S 2 MiB · G global · X not executable',
  },
  ko: {
    domain: '도메인',
    follow: '실행 중인 도메인',
    address: '주소(16진수)',
    here: 'EIP',
    level: '단계',
    index: '색인',
    entry: '엔트리',
    flags: '플래그',
    points: '가리키는 곳',
    owner: '소유자',
    type: '타입',
    count: '타입 사용 수',
    pfn: 'pfn',
    result: '머신 주소',
    nothing: '{n}단계에서 탐색이 끝납니다: 엔트리가 없습니다.',
    writable: '쓰기 가능',
    readonly: '읽기 전용',
    user: '특권 링 3 허용',
    kernel: '특권 링 0–2만',
    refused: '이 탐색의 프레임에 대한 Xen의 마지막 거절',
    agree: 'P2M과 M2P가 일치',
    differ: 'P2M은 {p2m}',
    bad: 'c0101000처럼 주소를 적으십시오.',
    off: '페이징이 꺼져 있습니다. 주소가 곧 실제 자리입니다.',
    none: '아직 게스트가 없습니다.',
    legend: 'P 있음 · W 쓰기 · U 특권 링 3 · A 접근됨 · D 변경됨 · S 2 MiB · G 전역 · X 실행 금지',
  },
});

function Row({
  level,
  frame,
  domid,
}: {
  readonly level: WalkLevel;
  readonly frame: FrameModel | undefined;
  readonly domid: number;
}) {
  const domains = useLab((s) => s.domains);
  const bare = useBare();
  const mfn = (level.lo >>> 12) + (level.hi & 0xff) * 0x100000;
  return (
    <tr>
      <td>L{level.level}</td>
      <td>
        <Value kind="mfn" value={level.tableMfn}>
          {hex(level.tableMfn)}
        </Value>
      </td>
      {!bare && (
        <>
          <td>
            {frame?.owner === undefined ? '–' : <Badge owner={ownerOf(frame.owner, domains)} size={18} />}
          </td>
          <td className="nowrap">
            {frame?.type ?? '–'} × {frame?.typeCount ?? 0}
          </td>
        </>
      )}
      <td className="mono">{level.index}</td>
      <td>
        <Value kind="maddr" value={level.entryMaddr}>
          {hex32(level.hi).slice(4)} {hex32(level.lo)}
        </Value>
      </td>
      <td className="mono">{level.flags}</td>
      <td>
        {level.present ? (
          <Value kind="mfn" value={mfn} domid={domid}>
            {hex(mfn)}
          </Value>
        ) : (
          '–'
        )}
      </td>
    </tr>
  );
}

export default function PageWalk(_: PanelProps) {
  const t = useText(TEXT);
  const lang = useLang();
  const domains = useLab((s) => s.domains);
  const bare = useBare();
  const [domid, setDomid] = useState<number>();
  const [text, setText] = useState('');
  const cpu = useModel<CpuModel | null>('cpu', domid === undefined ? {} : { domid }).model;
  const vaddr = text === '' ? undefined : parseHex(text);
  const bad = text !== '' && vaddr === undefined;
  const { model } = useModel<PageWalkModel | null>(bad ? undefined : 'pageWalk', {
    ...(domid === undefined ? {} : { domid }),
    ...(vaddr === undefined ? {} : { vaddr }),
  });
  if (!cpu) return <p className={plate.empty}>{t('none')}</p>;
  const off = bare && ((cpu.control.find((c) => c.name === 'cr0')?.value ?? CR0_PG) & CR0_PG) === 0;
  const last = model?.maddr === undefined ? undefined : model.frames.at(-1);
  return (
    <div className={plate.pad}>
      <div className={plate.tools}>
        <DomainSelect label={t('domain')} follow={t('follow')} value={domid} onChange={setDomid} />
        <label>
          {t('address')}
          <input
            className="field mono"
            value={text}
            placeholder={hex32(model?.vaddr ?? cpu.eip)}
            aria-invalid={bad}
            onChange={(e) => setText(e.target.value)}
          />
        </label>
      </div>
      {bad && <p role="alert">{t('bad')}</p>}
      {off && <p>{t('off')}</p>}
      {model && !off && (
        <Values label={t('result')}>
          <table className={`${plate.table} ${style.walk}`} data-bare={bare || undefined}>
            <thead>
              <tr>
                <th>{t('level')}</th>
                <th>mfn</th>
                {!bare && <th>{t('owner')}</th>}
                {!bare && <th>{t('type')}</th>}
                <th>{t('index')}</th>
                <th>{t('entry')}</th>
                <th>{t('flags')}</th>
                <th>{t('points')}</th>
              </tr>
            </thead>
            <tbody>
              {model.levels.map((l, i) => (
                <Row key={l.level} level={l} frame={model.frames[i]} domid={model.domid} />
              ))}
            </tbody>
          </table>
          {model.maddr === undefined ? (
            <p>{t('nothing', { n: model.levels.at(-1)?.level ?? 3 })}</p>
          ) : (
            <p>
              {t('result')}{' '}
              <Value kind="maddr" value={model.maddr}>
                {hex32(model.maddr)}
              </Value>{' '}
              · {t(model.writable ? 'writable' : 'readonly')} · {t(model.user ? 'user' : 'kernel')}
              {last && !bare && (
                <>
                  {' '}
                  · {last.owner === undefined ? '–' : <Badge owner={ownerOf(last.owner, domains)} />}{' '}
                  {t('type')} {last.type} × {last.typeCount}
                </>
              )}
              {!bare && last?.pfn !== undefined && (
                <>
                  {' '}
                  · {t('pfn')}{' '}
                  <Value kind="pfn" value={last.pfn} domid={model.domid}>
                    {hex(last.pfn)}
                  </Value>
                </>
              )}
              {!bare && last?.p2m !== undefined && (
                <> · {last.p2m === last.mfn ? t('agree') : t('differ', { p2m: hex(last.p2m) })}</>
              )}
            </p>
          )}
          {model.refusal && (
            <div>
              <h3 className={plate.heading}>{t('refused')}</h3>
              <p>{fillRule(model.refusal.rule, model.refusal.values, lang)}</p>
            </div>
          )}
        </Values>
      )}
      {!off && <p className={`small quiet ${style.legend}`}>{t('legend')}</p>}
    </div>
  );
}
