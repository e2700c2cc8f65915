// Event channels: what each port is bound to, and whether its bell is ringing or muffled.

import type { DomainPorts, PortModel } from '../../../lab/inspect/events.ts';
import { defineText, useText } from '../../i18n/index.ts';
import { useLab, useModel } from '../../store/lab.ts';
import { ownerOf } from '../../text/owner.ts';
import { Badge } from '../../widgets/badge.tsx';
import plate from '../../widgets/plate.module.css';
import { Value, Values } from '../../widgets/value.tsx';
import type { PanelProps } from '../contract.ts';

const TEXT = defineText({
  en: {
    none: 'No guest yet.',
    empty: 'No port is bound.',
    port: 'port',
    state: 'bound to',
    pending: 'pending',
    masked: 'mask',
    yes: 'pending',
    no: 'quiet',
    on: 'masked',
    off: 'open',
    virq: 'VIRQ {n}',
    unbound: 'waits for',
  },
  ko: {
    none: '아직 게스트가 없습니다.',
    empty: '연결된 포트가 없습니다.',
    port: '포트',
    state: '연결',
    pending: '보류',
    masked: '마스크',
    yes: '보류 중',
    no: '조용함',
    on: '가림',
    off: '열림',
    virq: 'VIRQ {n}',
    unbound: '기다리는 상대',
  },
});

function State({ p }: { readonly p: PortModel }) {
  const t = useText(TEXT);
  const domains = useLab((s) => s.domains);
  if (p.virq !== undefined) return <>{t('virq', { n: p.virq })}</>;
  if (p.remoteDomid === undefined) return <>{p.state}</>;
  const who = <Badge owner={ownerOf(p.remoteDomid, domains)} />;
  if (p.remotePort === undefined)
    return (
      <>
        {t('unbound')} {who}
      </>
    );
  return (
    <>
      {who} {t('port')}{' '}
      <Value kind="port" value={p.remotePort} domid={p.remoteDomid}>
        {p.remotePort}
      </Value>
    </>
  );
}

export default function Events(_: PanelProps) {
  const t = useText(TEXT);
  const domains = useLab((s) => s.domains);
  const { model } = useModel<DomainPorts[]>('events');
  if (!model || model.length === 0) return <p className={plate.empty}>{t('none')}</p>;
  return (
    <Values label={t('port')} className={plate.pad}>
      {model.map((d) => (
        <section key={d.domid}>
          <h3 className={plate.heading}>
            <Badge owner={ownerOf(d.domid, domains)} /> {d.name}
          </h3>
          {d.ports.length === 0 ? (
            <p className="quiet">{t('empty')}</p>
          ) : (
            <table className={plate.table}>
              <thead>
                <tr>
                  <th>{t('port')}</th>
                  <th>{t('state')}</th>
                  <th>{t('pending')}</th>
                  <th>{t('masked')}</th>
                </tr>
              </thead>
              <tbody>
                {d.ports.map((p) => (
                  <tr key={p.port} data-now={p.pending || undefined}>
                    <td>
                      <Value kind="port" value={p.port} domid={d.domid}>
                        {p.port}
                      </Value>
                    </td>
                    <td>
                      <State p={p} />
                    </td>
                    <td>{t(p.pending ? 'yes' : 'no')}</td>
                    <td>{t(p.masked ? 'on' : 'off')}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </section>
      ))}
    </Values>
  );
}
