// This moment as a QR code and as text: short where the lab's name says what is on stage, whole where a person's own image is.

import { useEffect, useState } from 'react';
import { useT } from '../i18n/index.ts';
import { copyLink, linkHere } from '../shell/actions.ts';
import { shortOf } from '../shell/short-link.ts';
import { useUi } from '../store/ui.ts';
import { Dialog } from '../widgets/dialog.tsx';
import { type Matrix, qr } from '../widgets/qr.ts';
import style from './style.module.css';

/** Four modules of nothing around the code, as scanners want it. */
const QUIET = 4;
function Code({ matrix, label }: { readonly matrix: Matrix; readonly label: string }) {
  const size = matrix.length + 2 * QUIET;
  const path = matrix
    .flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : '')))
    .join('');
  return (
    <svg
      viewBox={`0 0 ${size} ${size}`}
      role="img"
      aria-label={label}
      shapeRendering="crispEdges"
      data-testid="qr"
    >
      <path d={path} fill="#000000" />
    </svg>
  );
}

async function address(lab: string): Promise<string> {
  const whole = await linkHere();
  const short = await shortOf(lab, whole.slice(whole.indexOf('#m=') + 3));
  return short === undefined ? whole : `${whole.slice(0, whole.indexOf('#'))}#at=${short}`;
}

export function MomentDialog() {
  const t = useT();
  const lab = useUi((s) => s.lab);
  const [link, setLink] = useState('');
  useEffect(() => {
    void address(lab).then(setLink);
  }, [lab]);
  const matrix = link === '' ? undefined : qr(link);
  return (
    <Dialog title={t('momentLink')} onClose={() => useUi.getState().set({ dialog: undefined })} wide>
      <div className={style.moment}>
        {matrix && <Code matrix={matrix} label={t('momentQr')} />}
        {link !== '' && !matrix && <p>{t('momentTooLong')}</p>}
        {link !== '' && link.length < 200 && <code data-testid="moment-link">{link}</code>}
        <p>
          <button type="button" className="button edged" onClick={() => void copyLink(link)}>
            {t('copyMoment')}
          </button>
        </p>
      </div>
    </Dialog>
  );
}
