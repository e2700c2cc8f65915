import { describe, expect, it } from 'vitest';
import { type Entry, entryKey, inOrder, keepEntry, toMarkdown, useNotebook, writeLine } from './notebook.ts';

const entry = (stop: number, right: boolean, chosen = right ? 'xen' : 'guest') =>
  ({
    tour: 'hello',
    stop,
    lab: 'hello',
    question: `Question ${stop}?`,
    chosen,
    chosenText: chosen,
    answer: 'xen',
    answerText: 'Xen',
    right,
    link: 'abc',
    evidence: undefined,
  }) satisfies Omit<Entry, 'tries' | 'first' | 'line'>;

describe('the notebook', () => {
  it('keeps the first answer, counts the tries and keeps the line', () => {
    useNotebook.setState({ entries: {}, left: {} });
    keepEntry(entry(1, false));
    writeLine(entryKey('hello', 1), 'I forgot who owns the screen.');
    keepEntry(entry(1, true));
    expect(useNotebook.getState().entries['hello/1']).toMatchObject({
      tries: 2,
      right: true,
      first: { chosen: 'guest', right: false },
      line: 'I forgot who owns the screen.',
    });
  });
  it('puts what was wrong first', () => {
    useNotebook.setState({ entries: {}, left: {} });
    keepEntry(entry(1, true));
    keepEntry(entry(2, false, '?'));
    keepEntry(entry(3, false));
    expect(inOrder(useNotebook.getState().entries).map(([k]) => k)).toEqual([
      'hello/3',
      'hello/2',
      'hello/1',
    ]);
  });
  it('becomes Markdown with its moments', () => {
    useNotebook.setState({
      entries: {},
      left: { silence: { moment: { T: 1, seq: 1, within: false }, message: '7', stop: 1 } },
    });
    keepEntry(entry(3, false));
    const words = {
      title: 'N',
      said: 'said',
      trace: 'trace',
      moment: 'moment',
      mystery: (m: string, s: string) => `${m} ${s}`,
    };
    const text = toMarkdown(useNotebook.getState(), words, 'http://x/');
    expect(text).toContain('## ✗ Question 3?');
    expect(text).toContain('(http://x/#m=abc)');
    expect(text).toContain('7 –');
  });
});
