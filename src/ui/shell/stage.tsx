// At most three panels in columns, the Guide on the right. Sizes are remembered for each lab and set of panels.

import { Fragment, Suspense, useSyncExternalStore } from 'react';
import { Group, type Layout, Panel, Separator } from 'react-resizable-panels';
import { whoIs } from '../../lab/narrate/who.ts';
import { useLang, useT } from '../i18n/index.ts';
import { parseKey } from '../panels/contract.ts';
import { Guide } from '../panels/guide/index.tsx';
import { panel, panelComponent } from '../panels/registry.ts';
import { useBare, useLab } from '../store/lab.ts';
import { useSettings } from '../store/settings.ts';
import { useUi } from '../store/ui.ts';
import { Badge } from '../widgets/badge.tsx';
import { ownerOf } from '../text/owner.ts';
import { columnsOf } from './actions.ts';
import style from './app.module.css';
import { labOf } from './labs.ts';

function useSizes(id: string): {
  readonly defaultLayout?: Layout;
  readonly onLayoutChanged: (layout: Layout) => void;
} {
  const saved = useSettings.getState().sizes[id];
  return {
    ...(saved ? { defaultLayout: saved } : {}),
    onLayoutChanged: (layout) => {
      const { sizes, set } = useSettings.getState();
      set({ sizes: { ...sizes, [id]: layout } });
    },
  };
}

/** One panel with its name. */
function PanelFrame({ panelKey }: { readonly panelKey: string }) {
  const lang = useLang();
  const t = useT();
  const { id, arg } = parseKey(panelKey);
  const definition = panel(id);
  const Component = panelComponent(id);
  const domains = useLab((s) => s.domains);
  const bare = useBare();
  const elsewhere = bare && definition?.only === 'xen';
  const perDomain = definition?.perDomain && arg !== undefined;
  const title = definition?.title[lang] ?? id;
  const name = perDomain ? `${title} · ${whoIs(Number(arg), domains).name}` : title;
  return (
    <section className={style.panel} data-region={panelKey} aria-label={name} tabIndex={-1}>
      <header className={style.panelHead}>
        <h2>{title}</h2>
        {perDomain && domains.length > 0 && (
          <span className="small nowrap">
            <Badge owner={ownerOf(Number(arg), domains)} size={16} /> {whoIs(Number(arg), domains).name}
          </span>
        )}
      </header>
      <div className={style.panelBody}>
        {elsewhere ? (
          <p className={`quiet ${style.none}`}>{t('noXenHere')}</p>
        ) : Component ? (
          <Suspense fallback={null}>
            <Component arg={arg} />
          </Suspense>
        ) : (
          <p className="quiet">{t('noSuchView')}</p>
        )}
      </div>
    </section>
  );
}

function Column({ lab, keys }: { readonly lab: string; readonly keys: readonly string[] }) {
  const id = `${lab}/${keys.join('+')}`;
  const sizes = useSizes(id);
  const total = keys.reduce((sum, k) => sum + (panel(parseKey(k).id)?.size ?? 50), 0);
  if (keys.length === 1) return <PanelFrame panelKey={keys[0]!} />;
  return (
    <Group orientation="vertical" id={id} {...sizes} className={style.full}>
      {keys.map((k, i) => (
        <Fragment key={k}>
          {i > 0 && <Separator aria-label={k} />}
          <Panel id={k} defaultSize={`${(100 * (panel(parseKey(k).id)?.size ?? 50)) / total}%`} minSize={80}>
            <PanelFrame panelKey={k} />
          </Panel>
        </Fragment>
      ))}
    </Group>
  );
}

/** At 200 % zoom there is no room for columns: the Guide first, then the panels, one below the other. */
const NARROW = '(max-width: 900px)';
const subscribeNarrow = (change: () => void): (() => void) => {
  const query = matchMedia(NARROW);
  query.addEventListener('change', change);
  return () => query.removeEventListener('change', change);
};
const useNarrow = (): boolean => useSyncExternalStore(subscribeNarrow, () => matchMedia(NARROW).matches);

function GuideRegion() {
  const t = useT();
  return (
    <section className={style.panel} data-region="guide" aria-label={t('guide')} tabIndex={-1}>
      <Guide />
    </section>
  );
}

export function Stage() {
  const narrow = useNarrow();
  const lab = useUi((s) => s.lab);
  const epoch = useUi((s) => s.layoutEpoch);
  const t = useT();
  const { layouts, guideOpen } = useSettings();
  const columns = columnsOf(labOf(lab), layouts);
  const id = `${lab}/${columns.map((c) => c.join('+')).join('|')}${guideOpen ? '' : '/no-guide'}`;
  const sizes = useSizes(id);
  if (narrow)
    return (
      <div className={style.stack}>
        {guideOpen && <GuideRegion />}
        {columns.flat().map((k) => (
          <PanelFrame key={k} panelKey={k} />
        ))}
      </div>
    );
  return (
    <Group key={`${id} ${epoch}`} orientation="horizontal" id={id} {...sizes} className={style.full}>
      {columns.map((keys, i) => (
        <Fragment key={keys.join('+')}>
          {i > 0 && <Separator aria-label={t('resize')} />}
          <Panel id={keys.join('+')} minSize={200}>
            <Column lab={lab} keys={keys} />
          </Panel>
        </Fragment>
      ))}
      {guideOpen && (
        <>
          <Separator aria-label={t('resize')} />
          <Panel id="guide" defaultSize={340} minSize={260} groupResizeBehavior="preserve-pixel-size">
            <GuideRegion />
          </Panel>
        </>
      )}
    </Group>
  );
}
