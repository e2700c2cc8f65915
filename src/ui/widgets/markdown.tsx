// As much Markdown as a tour needs: paragraphs, lists, **strong**, `code`, [[key]], links. Text in, elements out; no HTML passes.

import { Fragment, type ReactNode } from 'react';
import { Key } from './key.tsx';

const INLINE = /\*\*([^*]+)\*\*|`([^`]+)`|\[\[([^\]]+)\]\]|\[([^\]]+)\]\(([^)\s]+)\)/g;

function inline(text: string): ReactNode[] {
  const out: ReactNode[] = [];
  let last = 0;
  for (const m of text.matchAll(INLINE)) {
    out.push(text.slice(last, m.index));
    const k = m.index;
    if (m[1] !== undefined) out.push(<strong key={k}>{m[1]}</strong>);
    else if (m[2] !== undefined) out.push(<code key={k}>{m[2]}</code>);
    else if (m[3] !== undefined) out.push(<Key key={k} name={m[3]} />);
    else if (/^(https?:|#|\.{0,2}\/|[\w-]+\/)/.test(m[5]!))
      out.push(
        <a key={k} href={m[5]}>
          {m[4]}
        </a>,
      );
    else out.push(m[4]);
    last = m.index + m[0].length;
  }
  out.push(text.slice(last));
  return out;
}

/** One line of it: a question, a choice. */
export const Inline = ({ text }: { readonly text: string }) => <>{inline(text)}</>;

export function Markdown({ text }: { readonly text: string }) {
  const blocks = text.split(/\n\s*\n/).filter((b) => b.trim() !== '');
  return (
    <>
      {blocks.map((b, i) => {
        const lines = b.trim().split('\n');
        if (lines.every((l) => /^[-*] /.test(l)))
          return (
            <ul key={i}>
              {lines.map((l) => (
                <li key={l}>{inline(l.slice(2))}</li>
              ))}
            </ul>
          );
        if (lines[0]!.startsWith('> '))
          return <blockquote key={i}>{inline(lines.map((l) => l.replace(/^> ?/, '')).join(' '))}</blockquote>;
        return (
          <p key={i}>
            {lines.map((l, j) => (
              <Fragment key={l}>
                {j > 0 && ' '}
                {inline(l)}
              </Fragment>
            ))}
          </p>
        );
      })}
    </>
  );
}
