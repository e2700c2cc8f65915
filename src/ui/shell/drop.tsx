// A kernel dropped anywhere on the page becomes the domain on stage.

import { type DragEvent, type ReactNode, useRef, useState } from 'react';
import { useT } from '../i18n/index.ts';
import { takeFile } from '../talk/talk.ts';
import style from './app.module.css';

const holdsFiles = (e: DragEvent): boolean => e.dataTransfer.types.includes('Files');

export function DropZone({ children }: { readonly children: ReactNode }) {
  const t = useT();
  const [over, setOver] = useState(false);
  const depth = useRef(0);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping has a twin, "Open a kernel" in the list of labs
    <div
      onDragEnter={(e) => {
        if (!holdsFiles(e)) return;
        depth.current++;
        setOver(true);
      }}
      onDragLeave={() => {
        depth.current = Math.max(0, depth.current - 1);
        if (depth.current === 0) setOver(false);
      }}
      onDragOver={(e) => holdsFiles(e) && e.preventDefault()}
      onDrop={(e) => {
        depth.current = 0;
        setOver(false);
        const file = e.dataTransfer.files[0];
        if (!file) return;
        e.preventDefault();
        void takeFile(file);
      }}
    >
      {children}
      {over && <div className={style.veil}>{t('dropHere')}</div>}
    </div>
  );
}
