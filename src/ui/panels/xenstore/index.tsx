// XenStore's tree, live: values, permissions, and who watches what.

import { type CSSProperties, useRef } from 'react';
import type { StoreModel } from '../../../lab/inspect/xenstore.ts';
import { defineText, useText } from '../../i18n/index.ts';
import { useLab, useModel } from '../../store/lab.ts';
import { ownerOf } from '../../text/owner.ts';
import { Badge } from '../../widgets/badge.tsx';
import plate from '../../widgets/plate.module.css';
import type { PanelProps } from '../contract.ts';
import style from './style.module.css';

const TEXT = defineText({
  en: {
    none: 'XenStore is empty until a domain is introduced.',
    path: 'node',
    value: 'value',
    perms: 'perms',
    watches: 'Watches',
    nobody: 'Nobody watches anything.',
    token: 'token',
    node: 'node',
    who: 'who',
  },
  ko: {
    none: '도메인이 등록되기 전이라 XenStore가 비어 있습니다.',
    path: '노드',
    value: '값',
    perms: '권한',
    watches: '감시',
    nobody: '아무도 감시하지 않습니다.',
    token: '토큰',
    node: '노드',
    who: '누가',
  },
});

export default function XenStore(_: PanelProps) {
  const t = useText(TEXT);
  const domains = useLab((s) => s.domains);
  const { model } = useModel<StoreModel>('xenstore');
  const seen = useRef<{ now: StoreModel | undefined; old: Map<string, string> }>({
    now: undefined,
    old: new Map(),
  });
  if (model && model !== seen.current.now) {
    seen.current = { now: model, old: new Map(seen.current.now?.nodes.map((n) => [n.path, n.value])) };
  }
  if (!model || model.nodes.length === 0) return <p className={plate.empty}>{t('none')}</p>;
  const { old } = seen.current;
  return (
    <div className={plate.pad}>
      <table className={`${plate.table} ${style.tree}`}>
        <thead>
          <tr>
            <th>{t('path')}</th>
            <th>{t('value')}</th>
            <th>{t('perms')}</th>
          </tr>
        </thead>
        <tbody>
          {model.nodes.map((n) => (
            <tr key={n.path} data-now={(old.size > 0 && old.get(n.path) !== n.value) || undefined}>
              <td
                className={`mono ${style.node}`}
                style={{ '--depth': n.depth } as CSSProperties}
                title={n.path}
              >
                {n.name}
              </td>
              <td className={`mono ${plate.long}`}>{n.value}</td>
              <td className="mono quiet">{n.perms}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h3 className={plate.heading}>{t('watches')}</h3>
      {model.watches.length === 0 ? (
        <p className="quiet">{t('nobody')}</p>
      ) : (
        <table className={plate.table}>
          <thead>
            <tr>
              <th>{t('who')}</th>
              <th>{t('node')}</th>
              <th>{t('token')}</th>
            </tr>
          </thead>
          <tbody>
            {model.watches.map((w) => (
              <tr key={`${w.domid} ${w.path} ${w.token}`}>
                <td>
                  <Badge owner={ownerOf(w.domid, domains)} />
                </td>
                <td className={`mono ${plate.long}`}>{w.path}</td>
                <td className={`mono ${plate.long}`}>{w.token}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
