// Names of handlers, as the module's table lists them for whoever decodes.

/** Handlers that stand for no instruction: leave it to the reference engine; on to another record; on to an EIP. */
export const STEP = '#step',
  GOTO = '#goto',
  CROSS = '#cross';
/** Stands in the record behind a store to a watched frame; see interpreter-store.ts. */
export const BEHIND = '#behind';
/** Delivers the fault in FAST.vector through the IDT, without and with an error code. */
export const FAULT = '#fault',
  FAULT_CODE = '#fault-code';

/** What the loader needs to know of a module: the number of the handler for each shape and each pair of shapes. */
export interface HandlerTable {
  readonly handlers: Readonly<Record<string, number>>;
  /** Handlers that end a straight run though they are no near transfers. */
  readonly ending: readonly number[];
}
/** The custom section that holds it as JSON. */
export const TABLE_SECTION = 'handlers';

/** Names of shapes that only the bare machine has: there they need not be compared with what a guest believes. */
export const bareKey = (key: string): string => `!${key}`;

/**
 * The handler that runs these shapes one behind the other. `dead`: nobody sees the flags that the last of them leaves, so it leaves those that
 * were there.
 */
export const sequenceKey = (keys: readonly string[], dead: boolean): string =>
  keys.join(' + ') + (dead ? ' !' : '');
