import { type Clock, after } from '../../clock.ts';
import { StorageUnavailable, type AppendLog, type AppendStream } from '../../store/append-log.ts';

/** A second place for signatures, which a writer of the first cannot reach. Best effort: never waited for. */
export interface CopySink {
  /** Takes a signature over the head of a stream, a compact JWS; a newer one covers those before it. */
  offer(stream: string, jws: string): void;
  /** What became of the copies, since the start. */
  counts(): { readonly copied: number; readonly failed: number };
  close(): Promise<void>;
}

interface CopySinkOptions {
  readonly log: AppendLog;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly onError?: (error: unknown) => void;
}

/** Between two copies of one stream: the newest signature is at the second place within this. */
const COPY_MS = 500;

interface Context {
  readonly options: CopySinkOptions;
  /** The newest signature of each stream that is not copied yet. */
  readonly waiting: Map<string, string>;
  readonly open: Map<string, AppendStream>;
  /** Ends the pause before the next copy; undefined while none is running. */
  pause: (() => void) | undefined;
  writing: Promise<void> | undefined;
  /** A stream of the second place that failed takes nothing more: its copies go on under another name. */
  part: number;
  copied: number;
  failed: number;
}

/**
 * Copies in another account or on another disk. One line a copy: the compact JWS of a batch's or a checkpoint's signature, in a
 * stream of the same name; `aksgw audit verify --copies` reads them.
 */
export function createCopySink(options: CopySinkOptions): CopySink {
  const context: Context = {
    options,
    waiting: new Map(),
    open: new Map(),
    pause: undefined,
    writing: undefined,
    part: 0,
    copied: 0,
    failed: 0,
  };
  return {
    counts: () => ({ copied: context.copied, failed: context.failed }),
    offer(stream, jws) {
      context.waiting.set(stream, jws);
      if (!context.pause) start(context);
    },
    async close() {
      context.pause?.();
      await context.writing;
      await copyAll(context);
      await Promise.all([...context.open.values()].map((stream) => stream.close()));
    },
  };
}

/** The first copy goes out at once, the next after the pause. */
function start(context: Context): void {
  context.pause = after(
    context.options.clock,
    COPY_MS,
    () => {
      context.pause = undefined;
      if (context.waiting.size > 0) start(context);
    },
    { unref: true },
  );
  context.writing ??= copyAll(context).finally(() => (context.writing = undefined));
}

async function copyAll(context: Context): Promise<void> {
  // What is offered meanwhile waits for its turn.
  for (const [stream, jws] of new Map(context.waiting)) {
    context.waiting.delete(stream);
    if (await copy(context, stream, jws)) continue;
    // The next signature tries again; this one waits for it unless a newer one is there.
    if (!context.waiting.has(stream)) context.waiting.set(stream, jws);
    return;
  }
}

async function copy(context: Context, stream: string, jws: string): Promise<boolean> {
  const { options, open, part } = context;
  const name = part === 0 ? stream : `${stream}-${part}`;
  try {
    const place = open.get(name) ?? (await options.log.open(name));
    open.set(name, place);
    await place.append([jws]);
    context.copied += 1;
    return true;
  } catch (error) {
    open.delete(name);
    context.part += 1;
    context.failed += 1;
    options.onError?.(error);
    return !(error instanceof StorageUnavailable);
  }
}

/** Every copy in the second place, for verifyTrail. */
export async function* readCopies(log: AppendLog): AsyncGenerator<string> {
  for (const stream of await log.streams())
    for await (const { text, complete } of log.read(stream)) if (complete) yield text;
}
