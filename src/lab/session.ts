// The page's end of the machine worker: the Session of types.ts over typed messages.

import { ImageError } from '../hypervisor/image.ts';
import { parseKernel } from '../toolstack/elf.ts';
import { isMultiboot } from '../toolstack/multiboot.ts';
import { isRom } from '../toolstack/rom.ts';
import { findImage, keepImage } from './image-store.ts';
import { decodeLink, type MomentLink } from './link.ts';
import type { FromWorker, Request, ToWorker } from './messages.ts';
import { noImage } from './no-image.ts';
import type {
  Breakpoint,
  Direction,
  InputAct,
  ImageKind,
  InputEntry,
  LabConfig,
  LabState,
  Moment,
  Session,
  StepKind,
  TracePage,
  TraceQuery,
} from './types.ts';
import type { TraceRecord } from '../trace/records.ts';

const NOWHERE: Moment = { T: 0, seq: 0, within: false };
const INITIAL: LabState = {
  phase: 'empty',
  config: undefined,
  cursor: NOWHERE,
  end: NOWHERE,
  ended: undefined,
  stop: { kind: 'start' },
  domains: [],
  running: undefined,
  branch: 0,
  branches: [],
  breakpoints: [],
  progress: undefined,
  ticksPerSecond: 0,
  instructions: 0,
  counts: { traps: 0, hypercalls: 0, silent: 0, refused: 0 },
  isolated: false,
  error: undefined,
  revision: 0,
};

class WorkerSession implements Session {
  private readonly worker: Worker;
  private state: LabState = INITIAL;
  private readonly listeners = new Set<() => void>();
  private readonly waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  private nextId = 1;

  constructor() {
    this.worker = new Worker(new URL('./machine.worker.ts', import.meta.url), { type: 'module' });
    this.worker.onmessage = (event: MessageEvent<FromWorker>) => this.receive(event.data);
    this.worker.onerror = (event) =>
      this.set({
        ...this.state,
        phase: 'error',
        error: `The machine worker failed: ${event.message}`,
        revision: this.state.revision + 1,
      });
  }

  private receive(message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        return;
      case 'state':
        return this.set(message.state);
      case 'reply':
        this.waiting.get(message.id)?.resolve(message.value);
        this.waiting.delete(message.id);
        return;
      case 'error':
        this.waiting.get(message.id)?.reject(new Error(message.message));
        this.waiting.delete(message.id);
        return;
      default:
        throw new Error(`unknown message ${JSON.stringify(message satisfies never)}`);
    }
  }
  private set(state: LabState): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
  private ask<T>(request: Request): Promise<T> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.worker.postMessage({ ...request, id } satisfies ToWorker);
    });
  }
  /** A failure that belongs on the page, not in a console. */
  private async guarded(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.set({
        ...this.state,
        phase: 'error',
        error: error instanceof Error ? error.message : String(error),
        revision: this.state.revision + 1,
      });
    }
  }

  getState(): LabState {
    return this.state;
  }
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  async boot(config: LabConfig, log: readonly InputEntry[] = [], goto?: Moment): Promise<void> {
    await this.guarded(
      (async () => {
        const images = [];
        for (const spec of config.domains) {
          images.push(await findImage(spec));
          if (spec.ramdisk !== undefined) images.push(await findImage(spec, spec.ramdisk));
        }
        for (const sha256 of [config.bare?.image, config.bare?.ramdisk, config.bare?.rom])
          if (sha256 !== undefined) images.push(await findImage({ name: config.bare!.name, image: sha256 }));
        await this.ask({ op: 'images', images });
        await this.ask({ op: 'boot', config, log, goto });
      })(),
    );
  }
  run(until?: Moment): void {
    void this.guarded(this.ask({ op: 'run', until }));
  }
  pause(): Promise<void> {
    return this.ask({ op: 'pause' });
  }
  step(kind: StepKind, direction: Direction, domid?: number): Promise<void> {
    return this.guarded(this.ask({ op: 'step', kind, direction, domid }));
  }
  goto(moment: Moment, before = false): Promise<void> {
    return this.guarded(this.ask({ op: 'goto', moment, before }));
  }
  cancel(): void {
    void this.ask({ op: 'cancel' });
  }
  setSpeed(ticksPerSecond: number): void {
    void this.ask({ op: 'speed', ticksPerSecond });
  }
  input(domid: number, bytes: Uint8Array): Promise<void> {
    const running = this.state.phase === 'running';
    return this.guarded(
      this.ask({ op: 'input', domid, bytes }).then(() => (running ? this.run() : undefined)),
    );
  }
  edit(act: InputAct): Promise<void> {
    return this.guarded(this.ask({ op: 'edit', act }));
  }
  switchBranch(id: number): Promise<void> {
    return this.guarded(this.ask({ op: 'branch', branch: id }));
  }
  setBreakpoints(list: readonly Breakpoint[]): void {
    void this.ask({ op: 'breakpoints', list });
  }
  inspect<T>(name: string, args?: unknown): Promise<T> {
    return this.ask({ op: 'inspect', name, args });
  }
  trace(query: TraceQuery, from: number, count: number): Promise<TracePage> {
    return this.ask({ op: 'trace', query, from, count });
  }
  group(seq: number): Promise<readonly TraceRecord[]> {
    return this.ask({ op: 'group', seq });
  }
  find(query: TraceQuery, direction: Direction): Promise<TraceRecord | undefined> {
    return this.ask({ op: 'find', query, direction });
  }
  consoleText(domid: number): Promise<{ readonly text: string; readonly laterLines: number }> {
    return this.ask({ op: 'console', domid });
  }
  async addImage(
    name: string,
    bytes: Uint8Array,
  ): Promise<{ readonly sha256: string; readonly kind: ImageKind } | { readonly error: string }> {
    let kind: ImageKind = 'pv';
    try {
      parseKernel(bytes);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      if (isMultiboot(bytes)) kind = 'multiboot';
      else if (isRom(bytes)) kind = 'rom';
      else {
        const problem = noImage(bytes);
        return { error: problem ? new ImageError(problem).message : error.message };
      }
    }
    return { sha256: await keepImage(name, bytes), kind };
  }
  link(): Promise<string> {
    return this.ask({ op: 'link' });
  }
  stateHash(): Promise<string> {
    return this.ask({ op: 'stateHash' });
  }
  dispose(): void {
    this.worker.terminate();
  }
}

/** Starts a machine worker. */
export const createSession = (): Session => new WorkerSession();

/**
 * Opens the text behind '#m=': boots its configuration, replays its log and goes to its moment. Resolves to a warning when the machine
 * that came out is not the one the link was made from.
 */
export async function openLink(session: Session, text: string): Promise<string | undefined> {
  return openDecoded(session, await decodeLink(text));
}
/** The same for a link that is already read. Its hash may be the beginning of one: a short link carries eight digits. */
export async function openDecoded(session: Session, link: MomentLink): Promise<string | undefined> {
  await session.boot(link.config, link.log, link.moment);
  if (session.getState().phase === 'error') return session.getState().error;
  const hash = await (session as WorkerSession).stateHash();
  return hash.startsWith(link.hash)
    ? undefined
    : `The machine at this moment is not the one the link was made from (state ${hash.slice(0, 8)}, expected ${link.hash.slice(0, 8)}).`;
}
