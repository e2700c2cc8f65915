// The size of an element in CSS pixels, so that drawings keep their type at its size instead of scaling it.

import { type RefObject, useEffect, useRef, useState } from 'react';

export function useSize<T extends HTMLElement>(): readonly [
  RefObject<T | null>,
  { readonly width: number; readonly height: number },
] {
  const ref = useRef<T>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const el = ref.current;
    if (!el) return;
    const watch = new ResizeObserver(([e]) => {
      const { width, height } = e!.contentRect;
      setSize((s) => (s.width === width && s.height === height ? s : { width, height }));
    });
    watch.observe(el);
    return () => watch.disconnect();
  }, []);
  return [ref, size];
}
