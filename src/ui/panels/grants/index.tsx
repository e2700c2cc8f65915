// Who may touch whose page: each domain's grant entries, and whether Xen has marked them in use.

import type { GrantsModel } from '../../../lab/inspect/grants.ts';
import type { DomainSummary } from '../../../lab/types.ts';
import { defineText, useText } from '../../i18n/index.ts';
import { useLab, useModel } from '../../store/lab.ts';
import { ownerOf } from '../../text/owner.ts';
import { Badge } from '../../widgets/badge.tsx';
import { hex } from '../../widgets/hex.ts';
import plate from '../../widgets/plate.module.css';
import { Value, Values } from '../../widgets/value.tsx';
import type { PanelProps } from '../contract.ts';

const TEXT = defineText({
  en: {
    none: 'No guest yet.',
    empty: 'This domain lends no page.',
    ref: 'grant',
    to: 'to',
    frame: 'frame',
    rights: 'rights',
    state: 'state',
    ro: 'read only',
    rw: 'read and write',
    offered: 'offered',
    mapped: 'in use: {how}',
    reading: 'reading',
    writing: 'writing',
    both: 'reading and writing',
    console: 'console',
    store: 'XenStore',
  },
  ko: {
    none: '아직 게스트가 없습니다.',
    empty: '이 도메인이 빌려준 페이지가 없습니다.',
    ref: '그랜트',
    to: '상대',
    frame: '프레임',
    rights: '권한',
    state: '상태',
    ro: '읽기 전용',
    rw: '읽기와 쓰기',
    offered: '제시됨',
    mapped: '사용 중: {how}',
    reading: '읽기',
    writing: '쓰기',
    both: '읽기와 쓰기',
    console: '콘솔',
    store: 'XenStore',
  },
});

function Domain({ domain }: { readonly domain: DomainSummary }) {
  const t = useText(TEXT);
  const domains = useLab((s) => s.domains);
  const { model } = useModel<GrantsModel>('grants', { domid: domain.domid });
  return (
    <section>
      <h3 className={plate.heading}>
        <Badge owner={ownerOf(domain.domid, domains)} /> {domain.name}
      </h3>
      {!model || model.entries.length === 0 ? (
        <p className="quiet">{t('empty')}</p>
      ) : (
        <table className={plate.table}>
          <thead>
            <tr>
              <th>{t('ref')}</th>
              <th>{t('to')}</th>
              <th>{t('frame')}</th>
              <th>{t('rights')}</th>
              <th>{t('state')}</th>
            </tr>
          </thead>
          <tbody>
            {model.entries.map((e) => (
              <tr key={e.ref} data-now={e.inUse || undefined}>
                <td>
                  <Value kind="gref" value={e.ref} domid={domain.domid}>
                    {e.ref}
                  </Value>{' '}
                  {e.ref === 0 ? t('console') : e.ref === 1 ? t('store') : ''}
                </td>
                <td>
                  <Badge owner={ownerOf(e.domid, domains)} />
                </td>
                <td>
                  <Value kind="mfn" value={e.frame}>
                    {hex(e.frame)}
                  </Value>
                </td>
                <td>{t(e.readonly ? 'ro' : 'rw')}</td>
                <td>
                  {e.inUse
                    ? t('mapped', {
                        how: t(e.reading && e.writing ? 'both' : e.writing ? 'writing' : 'reading'),
                      })
                    : t('offered')}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

export default function Grants(_: PanelProps) {
  const t = useText(TEXT);
  const domains = useLab((s) => s.domains);
  const guests = domains.filter((d) => d.kind === 'pv');
  if (guests.length === 0) return <p className={plate.empty}>{t('none')}</p>;
  return (
    <Values label={t('ref')} className={plate.pad}>
      {guests.map((d) => (
        <Domain key={d.domid} domain={d} />
      ))}
    </Values>
  );
}
