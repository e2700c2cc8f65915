// A shared ring drawn twice: as a circle for the intuition, as a number line because its indices run freely and are cut only at use.
// A list says the same in words.

import { useState } from 'react';
import type { RingIndex, RingModel } from '../../../lab/inspect/rings.ts';
import { defineText, useLang, useText } from '../../i18n/index.ts';
import { goToFirstGrant, openLab } from '../../shell/actions.ts';
import { labOf } from '../../shell/labs.ts';
import { useLab, useModel } from '../../store/lab.ts';
import { useSettings } from '../../store/settings.ts';
import { type Owner, ownerOf } from '../../text/owner.ts';
import { Badge } from '../../widgets/badge.tsx';
import { hex } from '../../widgets/hex.ts';
import plate from '../../widgets/plate.module.css';
import { useSize } from '../../widgets/use-size.ts';
import { Value, Values } from '../../widgets/value.tsx';
import type { PanelProps } from '../contract.ts';
import style from './style.module.css';

const TEXT = defineText({
  en: {
    ring: 'Shared ring',
    empty: 'No page granted at this moment. *ping* grants one after boot and takes it back at the end.',
    emptyElsewhere: 'Nobody grants a page in this lab.',
    goThere: 'Go there',
    front: 'front end',
    back: 'back end',
    none: 'No guest yet.',
    used: '{used} of {size} in flight',
    broken:
      'The indices are impossible: {used} in flight where {size} fit. Somebody scribbled on the shared ring.',
    asleep: 'A message waits, and both sides sleep: no bell rings for it.',
    others: 'Rings to XenStore and console',
    frame: 'frame',
    grant: 'grant',
    circle: 'The shared ring as a circle',
    line: 'The shared ring as a number line',
    slot: 'slot {n}: {state}',
    request: 'request',
    response: 'answered',
    free: 'free',
    'console-in': 'console, to the guest',
    'console-out': 'console, from the guest',
    'store-req': 'XenStore requests',
    'store-rsp': 'XenStore answers',
    granted: 'granted page',
    bytes: 'Waiting bytes',
    distance: '{name} is {value}',
  },
  ko: {
    ring: '링 버퍼',
    empty: '지금은 그랜트된 페이지가 없습니다. *ping*이 부팅 뒤에 하나를 빌려주고 끝나면 돌려받습니다.',
    emptyElsewhere: '이 실습에서는 아무도 페이지를 빌려주지 않습니다.',
    goThere: '그곳으로',
    front: '프런트엔드',
    back: '백엔드',
    none: '아직 게스트가 없습니다.',
    used: '{size}칸 중 {used}칸 진행 중',
    broken: '색인이 불가능한 값입니다: {size}칸에 {used}칸이 진행 중. 누군가 링 버퍼에 함부로 썼습니다.',
    asleep: '메시지가 기다리는데 양쪽 다 잠들어 있습니다. 울리는 알림도 없습니다.',
    others: 'XenStore와 콘솔의 링 버퍼',
    frame: '프레임',
    grant: '그랜트',
    circle: '원으로 본 링 버퍼',
    line: '수직선으로 본 링 버퍼',
    slot: '칸 {n}: {state}',
    request: '요청',
    response: '응답됨',
    free: '빔',
    'console-in': '콘솔, 게스트로',
    'console-out': '콘솔, 게스트에서',
    'store-req': 'XenStore 요청',
    'store-rsp': 'XenStore 응답',
    granted: '그랜트된 페이지',
    bytes: '기다리는 바이트',
    distance: '{name} = {value}',
  },
});

const SIZE = 220,
  R = 84;
/** Producers are filled triangles, consumers hollow ones, event thresholds flags: shapes, not colours, tell them apart. */
function Marker({ index, owner }: { readonly index: RingIndex; readonly owner: Owner }) {
  const shape = index.role === 'event' ? 'M0 10V-8h9l-3 4 3 4H1' : 'M-6 -8h12l-6 12z';
  return (
    <path
      d={shape}
      fill={index.role === 'prod' ? owner.colour : 'var(--paper)'}
      stroke={owner.colour}
      strokeWidth="1.8"
      strokeLinejoin="round"
    />
  );
}

function Circle({
  ring,
  owners,
  label,
}: {
  readonly ring: RingModel;
  readonly owners: Readonly<Record<RingIndex['side'], Owner>>;
  readonly label: string;
}) {
  const n = Math.min(ring.size, 64);
  const angle = (i: number): number => ((i % ring.size) / ring.size) * 2 * Math.PI - Math.PI / 2;
  const base = ring.slots[0]?.index ?? 0;
  return (
    <svg
      viewBox={`${-SIZE / 2} ${-SIZE / 2} ${SIZE} ${SIZE}`}
      className={style.circle}
      role="img"
      aria-label={label}
    >
      {Array.from({ length: n }, (_, i) => {
        const at = Math.floor((i * ring.size) / n);
        const from = angle(at),
          to = angle(at + ring.size / n) - 0.03;
        const state =
          ring.kind === 'granted'
            ? (ring.slots.find((s) => (s.index & (ring.size - 1)) === at)?.state ?? 'free')
            : ((at - (ring.indices[1]?.value ?? 0)) & (ring.size - 1)) < ring.used
              ? 'request'
              : 'free';
        const p = (r: number, a: number): string =>
          `${(r * Math.cos(a)).toFixed(2)} ${(r * Math.sin(a)).toFixed(2)}`;
        return (
          <path
            key={i}
            className={style.slot}
            data-state={state}
            d={`M${p(R, from)}A${R} ${R} 0 0 1 ${p(R, to)}L${p(R - 22, to)}A${R - 22} ${R - 22} 0 0 0 ${p(R - 22, from)}Z`}
            style={{ color: owners.front.colour }}
          />
        );
      })}
      {ring.indices.map((x, i) => {
        const a = angle(x.value & (ring.size - 1));
        const r = R + 14 + 8 * (i % 2);
        return (
          <g
            key={x.name}
            className={style.moves}
            transform={`translate(${r * Math.cos(a)} ${r * Math.sin(a)}) rotate(${(a * 180) / Math.PI + 90})`}
          >
            <Marker index={x} owner={owners[x.side]} />
          </g>
        );
      })}
      <text textAnchor="middle" y="6" className={style.centre}>
        {ring.used}
      </text>
      <title>{`${label} ${base}`}</title>
    </svg>
  );
}

function NumberLine({
  ring,
  owners,
  label,
}: {
  readonly ring: RingModel;
  readonly owners: Readonly<Record<RingIndex['side'], Owner>>;
  readonly label: string;
}) {
  const [box, { width }] = useSize<HTMLDivElement>();
  const big = useSettings((s) => s.theme === 'presenter');
  const values = ring.indices.map((x) => x.value);
  const lo = Math.max(0, Math.min(...values) - 2),
    hi = Math.min(Math.max(...values) + 3, lo + 4096);
  const x = (v: number): number => 12 + ((Math.min(v, hi) - lo) / Math.max(1, hi - lo)) * (width - 24);
  const step = Math.max(1, Math.ceil(((hi - lo) * (big ? 64 : 40)) / Math.max(1, width - 24)));
  // Names stand above and below the line, two rows each.
  const line = big ? 22 : 15;
  const above = 2 * line + 24,
    below = above + 22 + 2 * line;
  const height = below + line + 6;
  return (
    <div ref={box}>
      {width > 0 && (
        <svg width={width} height={height} className={style.line} role="img" aria-label={label}>
          <line x1="8" y1={above} x2={width - 8} y2={above} stroke="var(--ink)" strokeWidth="1.5" />
          {Array.from({ length: Math.floor((hi - lo) / step) + 1 }, (_, i) => lo + i * step).map((v) => (
            <g key={v} transform={`translate(${x(v)} ${above})`}>
              <line y1="-4" y2="4" stroke="var(--ink)" />
              <text y={line + 2} textAnchor="middle" className={style.tick}>
                {v}
              </text>
            </g>
          ))}
          {ring.indices.map((index, i) => (
            <g key={index.name} transform={`translate(${x(index.value)} 0)`} className={style.moves}>
              <g transform={`translate(0 ${i < 2 ? above - 12 : above + line + 14})`}>
                <g transform={i < 2 ? '' : 'rotate(180)'}>
                  <Marker index={index} owner={owners[index.side]} />
                </g>
              </g>
              <text
                y={(i < 2 ? line : below) + line * (i % 2)}
                textAnchor={x(index.value) > width - (big ? 130 : 90) ? 'end' : 'start'}
                dx={x(index.value) > width - (big ? 130 : 90) ? -10 : 10}
                className={style.name}
              >
                {index.name}
              </text>
            </g>
          ))}
        </svg>
      )}
    </div>
  );
}

/** Nothing to show yet, and the way to where there is. */
function NoGrant() {
  const t = useText(TEXT);
  const lang = useLang();
  const idle = useLab((s) => s.phase === 'paused');
  const here = useLab((s) => s.config?.domains.some((d) => d.name === 'ping') === true);
  const next = labOf('ping');
  return (
    <>
      <p className="quiet">{t(here ? 'empty' : 'emptyElsewhere').replaceAll('*', '')}</p>
      <p className={style.go}>
        <button
          type="button"
          className="button edged"
          disabled={!idle}
          onClick={() => void (here ? goToFirstGrant() : openLab(next.id))}
        >
          {here ? t('goThere') : next.title[lang]}
        </button>
      </p>
    </>
  );
}

export default function Ring(_: PanelProps) {
  const t = useText(TEXT);
  const domains = useLab((s) => s.domains);
  const { model } = useModel<RingModel[]>('rings');
  const [chosen, setChosen] = useState<string>();
  // Before the first instruction there is nothing to choose between: the way to the first page is enough.
  const started = useLab((x) => x.end.T > 0);
  if (!model) return <p className={plate.empty}>{t('none')}</p>;
  const ring = model.find((r) => r.id === chosen) ?? model.find((r) => r.kind === 'granted');
  const owners = ring && {
    front: ownerOf(ring.front, domains),
    back: ring.back === undefined ? ownerOf(0x7fef, domains) : ownerOf(ring.back, domains),
  };
  return (
    <div className={plate.pad}>
      {(ring !== undefined || started) && (
        <div className={plate.tools}>
          <label>
            <span className="visually-hidden">{t('ring')}</span>
            <select className="field" value={ring?.id ?? ''} onChange={(e) => setChosen(e.target.value)}>
              {!ring && <option value="">{t('others')}</option>}
              {model.map((r) => (
                <option
                  key={r.id}
                  value={r.id}
                >{`${r.frontName}: ${t(r.kind)}${r.gref === undefined ? '' : ` ${r.gref}`}`}</option>
              ))}
            </select>
          </label>
        </div>
      )}
      {!ring || !owners ? (
        <NoGrant />
      ) : (
        <Values label={t('ring')}>
          <p className={style.sides}>
            <span>
              <Badge owner={owners.front} /> {t('front')}
            </span>{' '}
            <span>
              <Badge owner={owners.back} /> {t('back')}
            </span>
            <span className="nowrap">
              {t('frame')}{' '}
              <Value kind="mfn" value={ring.mfn}>
                {hex(ring.mfn)}
              </Value>
            </span>
            {ring.gref !== undefined && (
              <span className="nowrap">
                {t('grant')}{' '}
                <Value kind="gref" value={ring.gref} domid={ring.front}>
                  {ring.gref}
                </Value>
              </span>
            )}
            <span>{t('used', { used: ring.used, size: ring.size })}</span>
          </p>
          {!ring.sane && <p role="alert">{t('broken', { used: ring.used, size: ring.size })}</p>}
          {ring.asleep && <p className="silent-box">{t('asleep')}</p>}
          <div className={style.pictures}>
            <Circle ring={ring} owners={owners} label={t('circle')} />
            <div className={style.words}>
              <NumberLine ring={ring} owners={owners} label={t('line')} />
              <ul className={style.list}>
                {ring.indices.map((x) => (
                  <li key={x.name}>
                    <Badge owner={owners[x.side]} size={16} />{' '}
                    <Value kind="index" value={x.value} domid={ring.front}>
                      {t('distance', { name: x.name, value: String(x.value) })}
                    </Value>
                  </li>
                ))}
              </ul>
            </div>
          </div>
          <ol className={style.slots}>
            {ring.slots
              .filter((s) => s.state !== 'free')
              .slice(0, 64)
              .map((s) => (
                <li key={s.index} data-state={s.state}>
                  <span className="mono">{s.index & (ring.size - 1)}</span> {t(s.state)}{' '}
                  <span className="mono">{s.text.slice(0, 64)}</span>
                </li>
              ))}
          </ol>
        </Values>
      )}
    </div>
  );
}
