declare module 'virtual:rule-lines' {
  const lines: Readonly<
    Record<string, readonly { readonly file: string; readonly line: number; readonly text: string }[]>
  >;
  export default lines;
}
