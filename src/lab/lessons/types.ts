// A tour is a Markdown file: one section a stop, in the same format whoever writes it.
//
//   ---                                     front matter: key: value
//   lab: hello
//   title: Who printed that?
//   next: rings
//   ---
//   ## Heading of a stop
//   button: Run                             properties, one a line, up to the first blank line
//   do: run
//   until: ended
//
//   Text. {{instructions}} is filled in by the machine, never by the author.
//
//   ## A stop that asks
//   ask: Who printed the first letter?
//   - guest: the kernel                     a choice: what `answer` would evaluate to, and how it reads
//   - xen: Xen, asked by the kernel
//   answer: who(console[0])
//   evidence: console[0]
//
//   Text before the answer.
//   ---
//   Text after it (or after `until` came true).

export interface Choice {
  readonly id: string;
  readonly text: string;
}
export interface Stop {
  readonly heading: string;
  /** Text before, and text after the answer or once `until` holds. */
  readonly before: string;
  readonly after: string;
  /** Label of the primary button. */
  readonly button: string | undefined;
  /** What the button does: see actions.ts. */
  readonly action: string | undefined;
  /** Done on entering the stop, before anything is read. */
  readonly enter: string | undefined;
  /** Condition that ends the stop. */
  readonly until: string | undefined;
  readonly ask: string | undefined;
  readonly choices: readonly Choice[];
  readonly answer: string | undefined;
  /** The record that proves the answer. */
  readonly evidence: string | undefined;
  /** Columns of panels, separated by | and +: 'control | code + console'. */
  readonly layout: readonly (readonly string[])[] | undefined;
  /** A record whose bytes the reader may change: opens the editor. */
  readonly edit: string | undefined;
  /** Buttons that stand beside the primary one, as 'label = action'. */
  readonly also: readonly { readonly text: string; readonly action: string }[];
}
export interface Tour {
  readonly id: string;
  readonly lab: string;
  readonly title: string;
  readonly next: string | undefined;
  /** A mystery is remembered where it was left. */
  readonly mystery: boolean;
  readonly stops: readonly Stop[];
}
