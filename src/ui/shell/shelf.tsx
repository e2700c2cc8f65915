// The shelf: every version of a person's own kernels that was ever dropped here, with how far each of them came.

import { useEffect, useState } from 'react';
import { changeEntry, keptFile, type ShelfEntry, shelfEntries, takeOff } from '../../lab/image-store.ts';
import { formatNumber } from '../../lab/i18n/text.ts';
import { cameTo, ownImage, type Version, versions } from '../../lab/shelf.ts';
import { type ShellKey, useLang, useT } from '../i18n/index.ts';
import { onLab, useLab } from '../store/lab.ts';
import { useUi } from '../store/ui.ts';
import { Dialog } from '../widgets/dialog.tsx';
import { Icon } from '../widgets/icon.tsx';
import { bootFile } from './actions.ts';
import style from './notebook.module.css';

const close = (): void => useUi.getState().set({ dialog: undefined });

/** Writes down how far a person's own image came, whenever it stops. */
export function wireShelf(): void {
  onLab((now, before) => {
    if (now.phase !== 'paused' || before.phase === 'paused') return;
    const own = ownImage(now);
    if (own !== undefined) void changeEntry(own, (entry) => cameTo(entry, now));
  });
}

function About({ version }: { readonly version: Version }) {
  const t = useT();
  const lang = useLang();
  const { entry, grown } = version;
  const date = new Date(entry.at).toLocaleString(lang === 'ko' ? 'ko-KR' : 'en-GB', {
    dateStyle: 'medium',
    timeStyle: 'short',
  });
  const more = grown ? ` (${grown > 0 ? '+' : '−'}${formatNumber(Math.abs(grown))})` : '';
  const far = entry.furthest;
  return (
    <p className="small quiet">
      {entry.label !== '' && `${entry.name} · `}
      {version.of > 1 && `${t('shelf_version', { n: version.version, of: version.of })} · `}
      {entry.at > 0 && `${date} · `}
      {t('shelf_bytes', { n: entry.size })}
      {more} · {far ? t('shelf_furthest', { T: far.ticks, traps: far.traps }) : t('shelf_neverRan')}
      {far?.end !== undefined && ` · ${t(`end_${far.end}` as ShellKey)}`}
    </p>
  );
}

function Row({
  version,
  onStage,
  onRemove,
}: {
  readonly version: Version;
  readonly onStage: boolean;
  readonly onRemove: () => void;
}) {
  const t = useT();
  const { entry } = version;
  const [label, setLabel] = useState(entry.label);
  const name = label === '' ? entry.name : label;
  const show = async (): Promise<void> => {
    const file = await keptFile(entry.sha256);
    if (!file) return;
    close();
    await bootFile(file);
  };
  return (
    <li className={style.entry} aria-current={onStage || undefined}>
      <p className={style.question}>
        {onStage && <Icon name="check" />}
        <strong>{name}</strong>
        {onStage && <span className="small">{t('shelf_onStage')}</span>}
      </p>
      <About version={{ ...version, entry: { ...entry, label } }} />
      <div className={style.tools}>
        <input
          className="field"
          aria-label={t('shelf_label', { name: entry.name })}
          placeholder={t('shelf_labelHint')}
          value={label}
          maxLength={60}
          onChange={(e) => {
            setLabel(e.target.value);
            void changeEntry(entry.sha256, (x) => ({ ...x, label: e.target.value }));
          }}
        />
        <button type="button" className="button edged" onClick={() => void show()}>
          {t(onStage ? 'shelf_again' : 'shelf_show')}
          <span className="visually-hidden"> {name}</span>
        </button>
        <button
          type="button"
          className="button square"
          aria-label={t('shelf_remove', { name })}
          onClick={onRemove}
        >
          <Icon name="close" />
        </button>
      </div>
    </li>
  );
}

function Gone({ entry, onUndo }: { readonly entry: ShelfEntry; readonly onUndo: () => void }) {
  const t = useT();
  return (
    <li className={style.entry}>
      <p role="status">{t('shelf_removed', { name: entry.label || entry.name })}</p>
      <div className={style.tools}>
        {/* biome-ignore lint/a11y/noAutofocus: the button that had the focus is gone, and this takes it back */}
        <button type="button" className="button edged" autoFocus onClick={onUndo}>
          {t('shelf_undo')}
        </button>
      </div>
    </li>
  );
}

export function Shelf() {
  const t = useT();
  const own = useLab(ownImage);
  const [list, setList] = useState<readonly ShelfEntry[]>();
  const [gone, setGone] = useState<Readonly<Record<string, () => Promise<void>>>>({});
  const read = async (): Promise<void> => setList(await shelfEntries());
  useEffect(() => void read(), []);
  const remove = async (sha256: string): Promise<void> => {
    const entries = await shelfEntries(); // with the names given a moment ago
    const back = await takeOff(sha256);
    setList((shown) => shown?.map((e) => entries.find((x) => x.sha256 === e.sha256) ?? e));
    setGone((g) => ({ ...g, [sha256]: back }));
  };
  const undo = async (sha256: string): Promise<void> => {
    await gone[sha256]?.();
    setGone(({ [sha256]: _back, ...others }) => others);
  };
  return (
    <Dialog title={t('shelf')} onClose={close} wide>
      <p className="small quiet">{t(list?.length === 0 ? 'shelf_empty' : 'shelf_hint')}</p>
      <ul className={style.entries}>
        {versions(list ?? []).map((v) => {
          const id = v.entry.sha256;
          return id in gone ? (
            <Gone key={`gone ${id}`} entry={v.entry} onUndo={() => void undo(id)} />
          ) : (
            <Row key={id} version={v} onStage={id === own} onRemove={() => void remove(id)} />
          );
        })}
      </ul>
    </Dialog>
  );
}
