// Bytes of a domain's address space or of the machine, sixteen a row where they fit, otherwise eight. While paused a byte can be typed over.

import { useRef, useState } from 'react';
import type { MemoryModel } from '../../../lab/inspect/memory.ts';
import type { CpuModel } from '../../../lab/inspect/cpu.ts';
import { defineText, useText } from '../../i18n/index.ts';
import { changeMachine } from '../../shell/actions.ts';
import { useLab, useModel } from '../../store/lab.ts';
import { DomainSelect } from '../../widgets/domain-select.tsx';
import { Editable } from '../../widgets/editable.tsx';
import { hex32, hexByte, parseHex } from '../../widgets/hex.ts';
import { useSettings } from '../../store/settings.ts';
import { useSize } from '../../widgets/use-size.ts';
import plate from '../../widgets/plate.module.css';
import { Value } from '../../widgets/value.tsx';
import type { PanelProps } from '../contract.ts';
import style from './style.module.css';

const TEXT = defineText({
  en: {
    domain: 'Domain',
    follow: 'whoever runs',
    machine: 'Machine addresses',
    address: 'Address (hexadecimal)',
    bytes: 'Bytes',
    earlier: 'Lower',
    later: 'Higher',
    hint: 'A byte can be typed over while the machine is paused.',
    unmapped: 'No memory is mapped here. Write another address.',
    none: 'No guest yet.',
    byte: 'byte at {at}',
    bad: 'Write an address like c0101000.',
  },
  ko: {
    domain: '도메인',
    follow: '실행 중인 도메인',
    machine: '머신 주소',
    address: '주소(16진수)',
    bytes: '바이트',
    earlier: '낮은 주소',
    later: '높은 주소',
    hint: '기계가 멈춘 동안 바이트를 고쳐 쓸 수 있습니다.',
    unmapped: '여기에는 매핑된 메모리가 없습니다. 다른 주소를 적으십시오.',
    none: '아직 게스트가 없습니다.',
    byte: '{at}의 바이트',
    bad: 'c0101000처럼 주소를 적으십시오.',
  },
});
/** Bytes asked for at a time, and the width from which sixteen stand in a row with their letters. */
const LENGTH = 256,
  WIDE = { light: 660, presenter: 880 } as const;
const parseByte = (text: string): number | undefined => {
  if (/^'.'$/.test(text)) return text.charCodeAt(1) & 0xff;
  const n = parseHex(text);
  return n !== undefined && n < 256 ? n : undefined;
};
const letter = (b: number | undefined): string =>
  b === undefined ? ' ' : b >= 32 && b < 127 ? String.fromCharCode(b) : '·';

export default function Memory(_: PanelProps) {
  const t = useText(TEXT);
  const paused = useLab((s) => s.phase === 'paused');
  const [domid, setDomid] = useState<number>();
  const [machine, setMachine] = useState(false);
  const big = useSettings((s) => s.theme === 'presenter');
  const [text, setText] = useState('');
  const cpu = useModel<CpuModel | null>('cpu', domid === undefined ? {} : { domid }).model;
  const typed = text === '' ? (machine ? 0x1000 : cpu?.gpr[6]?.value) : parseHex(text);
  const address = typed === undefined ? undefined : (typed & ~15) >>> 0;
  const args = {
    space: machine ? 'machine' : 'virtual',
    ...(domid === undefined ? {} : { domid }),
    address: address ?? 0,
    length: LENGTH,
  };
  const asked = useModel<MemoryModel | null>(address === undefined ? undefined : 'memory', args).model;
  // A register that is followed changes faster than answers come: the last one, which says its own address, stays until the next.
  const last = useRef(asked);
  if (asked) last.current = asked;
  const model = asked ?? (text === '' && !machine ? last.current : undefined);
  const before = useRef<{ now: MemoryModel | undefined; old: MemoryModel | undefined }>({
    now: undefined,
    old: undefined,
  });
  if (model && model !== before.current.now)
    before.current = {
      now: model,
      old: before.current.now?.address === model.address ? before.current.now : undefined,
    };
  const { old } = before.current;
  const [box, { width }] = useSize<HTMLDivElement>();
  const per = width >= WIDE[big ? 'presenter' : 'light'] ? 16 : 8;
  if (!cpu) return <p className={plate.empty}>{t('none')}</p>;
  const move = (by: number): void => setText(hex32(((address ?? 0) + by) >>> 0));
  return (
    <div ref={box} className={plate.pad}>
      <div className={plate.tools}>
        {!machine && (
          <DomainSelect label={t('domain')} follow={t('follow')} value={domid} onChange={setDomid} />
        )}
        <label>
          {t('address')}
          <input
            className="field mono"
            value={text}
            placeholder={hex32(address ?? 0)}
            aria-invalid={typed === undefined}
            onChange={(e) => setText(e.target.value)}
          />
        </label>
        <label className={style.check}>
          <input type="checkbox" checked={machine} onChange={(e) => setMachine(e.target.checked)} />{' '}
          {t('machine')}
        </label>
        <button type="button" className="button edged" onClick={() => move(-LENGTH)}>
          {t('earlier')}
        </button>
        <button type="button" className="button edged" onClick={() => move(LENGTH)}>
          {t('later')}
        </button>
      </div>
      {typed === undefined && <p role="alert">{t('bad')}</p>}
      {model?.bytes.every((b) => b === undefined) && <p className="quiet">{t('unmapped')}</p>}
      {model?.bytes.some((b) => b !== undefined) && (
        <div className={style.dump} role="group" aria-label={t('bytes')}>
          {Array.from({ length: LENGTH / per }, (_r, r) => (
            <div key={r} className={style.row} data-per={per}>
              <Value
                kind={machine ? 'maddr' : 'vaddr'}
                value={(model.address + per * r) >>> 0}
                domid={cpu.domid}
              >
                {hex32(model.address + per * r)}
              </Value>
              <span className={style.bytes}>
                {model.bytes.slice(per * r, per * r + per).map((b, i) => {
                  const offset = per * r + i;
                  const row = model.rows[offset >> 4];
                  const name = t('byte', { at: hex32(model.address + offset) });
                  const changed = old !== undefined && old.bytes[offset] !== b;
                  return (
                    <span key={i} className={changed ? plate.changed : undefined}>
                      {b === undefined || row === undefined ? (
                        '··'
                      ) : (
                        <Editable
                          label={name}
                          text={hexByte(b)}
                          parse={parseByte}
                          disabled={!paused}
                          onCommit={(value) =>
                            void changeMachine({
                              kind: 'editMemory',
                              maddr: row + (offset & 15),
                              bytes: [value],
                              what: name,
                            })
                          }
                        />
                      )}
                    </span>
                  );
                })}
              </span>
              <span className={style.letters}>
                {model.bytes
                  .slice(per * r, per * r + per)
                  .map(letter)
                  .join('')}
              </span>
            </div>
          ))}
        </div>
      )}
      <p className="small quiet">{t('hint')}</p>
    </div>
  );
}
