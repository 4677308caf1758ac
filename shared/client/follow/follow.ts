import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { CommandOutputBody } from '../../http/schemas.ts';
import { printable } from '../../lib/safe-text.ts';
import type { Client } from '../connect.ts';
import { exits, UsageError } from '../exits.ts';
import { oneLine, tell, type Host } from '../host.ts';
import { readArgv, type ReadArgv } from '../uploads/argv.ts';
import { createSeam } from './seam.ts';
import { createWatch } from './watch.ts';

/** Between two looks: each is a command of its own, with a pod of its own. */
const PAUSE_MS = 3_000;
/** Ctrl-C ends at once, with or without an answer to the cancel. */
const CANCEL_MS = 3_000;

interface Following {
  readonly client: Client;
  readonly cluster: string;
  readonly reason: string | undefined;
}

/** How an argv is followed, or undefined when it is no such command. Throws UsageError for a form that cannot be. */
export function followed(argv: readonly string[]): ((following: Following, host: Host) => Promise<number>) | undefined {
  const read = readArgv(argv);
  if (read?.tool !== 'kubectl') return undefined;
  const on = (name: string): boolean => read.flags.some(({ flag, value }) => flag.name === name && isTrue(value));
  if (read.path.join(' ') === 'logs' && on('follow'))
    return (following, host) => followLogs(argv, read, following, host);
  const watches = on('watch') || on('watch-only');
  if (read.path.join(' ') === 'get' && watches) return (following, host) => watchList(argv, read, following, host);
  return undefined;
}

const isTrue = (value: string): boolean => /^(?:1|t|true)$/i.test(value);

async function followLogs(argv: readonly string[], read: ReadArgv, following: Following, host: Host): Promise<number> {
  const timestamps = read.flags.some(({ flag, value }) => flag.name === 'timestamps' && isTrue(value));
  const seam = createSeam({ timestamps });
  const base = without(argv, read, ['follow', 'timestamps']);
  const later = without(argv, read, ['follow', 'timestamps', 'since', 'since-time', 'tail', 'previous']);
  tell(host, `following by a look every few seconds, each a command of its own; Ctrl-C ends it`);
  for (let first = true; ; first = false) {
    const since = seam.since === undefined ? [] : [`--since-time=${seam.since}`];
    // The log of a container that has restarted since the last look ends in --previous.
    const steps = first
      ? [inserted(base, ['--timestamps'])]
      : [inserted(later, ['--timestamps', '--previous', ...since]), inserted(later, ['--timestamps', ...since])];
    const looked = await look(steps, following, host);
    if (looked === undefined) return exits.interrupted;
    const current = looked.at(-1);
    for (const record of looked) {
      if (record.status !== 'completed') continue;
      if (record === current || record.exitCode === 0) show(seam.take(record.stdout), host);
      if (record.truncated) tell(host, 'a look was cut at a limit: lines are missing here');
    }
    if (current === undefined || current.status !== 'completed' || current.exitCode !== 0) {
      host.stderr.write(printable(current?.stderr ?? ''));
      if (current?.status !== 'completed')
        tell(host, `${current?.status}: ${oneLine(current?.failure?.message ?? '')}`);
      return current?.status === 'completed'
        ? (current.exitCode ?? exits.unknown)
        : current?.status === 'failed'
          ? exits.notRun
          : exits.unknown;
    }
    const ended = await endedIn(PAUSE_MS, host);
    if (ended !== undefined) return ended;
  }
}

/** The forms of output that have a line for each object. */
const rowOutputs = /^(?:wide|name|custom-columns=.*)$/s;
const VERSIONS = 'custom-columns=NS:.metadata.namespace,N:.metadata.name,RV:.metadata.resourceVersion';

async function watchList(argv: readonly string[], read: ReadArgv, following: Following, host: Host): Promise<number> {
  const valueOf = (name: string): string | undefined => read.flags.findLast(({ flag }) => flag.name === name)?.value;
  const output = valueOf('output');
  if (output !== undefined && !rowOutputs.test(output))
    throw new UsageError(`get -w -o ${output} is not followed: -o wide, -o name and -o custom-columns= are`);
  if (valueOf('output-watch-events') !== undefined) throw new UsageError('get -w has no --output-watch-events here');
  const watch = createWatch();
  const base = without(argv, read, ['watch', 'watch-only', 'no-headers']);
  const versions = inserted(without(argv, read, ['watch', 'watch-only', 'no-headers', 'output']), [
    '--no-headers',
    '-o',
    VERSIONS,
  ]);
  const headless = isTrue(valueOf('no-headers') ?? 'false') || output === 'name';
  let silent = isTrue(valueOf('watch-only') ?? 'false');
  tell(
    host,
    'watching by a look every few seconds, each a command of its own: what changes twice between two looks is shown once; Ctrl-C ends it',
  );
  for (let head = !headless; ;) {
    const looked = await look([versions, base, versions], following, host);
    if (looked === undefined) return exits.interrupted;
    const failed = looked.find((record) => record.status !== 'completed' || record.exitCode !== 0 || record.truncated);
    const [before, shown, after] = looked;
    if (failed || !before || !shown || !after) {
      host.stderr.write(printable(failed?.stderr ?? ''));
      if (failed?.truncated) tell(host, 'the list is too long to be followed');
      return failed?.status === 'completed'
        ? failed.exitCode || exits.truncated
        : failed?.status === 'failed'
          ? exits.notRun
          : exits.unknown;
    }
    const [first = '', ...rest] = shown.stdout.split('\n');
    const rows = output === 'name' ? shown.stdout : rest.join('\n');
    const changed = watch.take({ before: before.stdout, rows, after: after.stdout });
    if (changed !== undefined && !silent) {
      if (head && changed !== '') show(`${first}\n`, host);
      head &&= changed === '';
      show(changed, host);
    }
    if (changed !== undefined) silent = false;
    const ended = await endedIn(changed === undefined ? PAUSE_MS / 3 : PAUSE_MS, host);
    if (ended !== undefined) return ended;
  }
}

const show = (text: string, { stdout }: Host): void =>
  void (text !== '' && stdout.write(stdout.isTTY ? printable(text) : text));

/** One look; undefined after Ctrl-C, which cancels it. */
async function look(
  steps: readonly (readonly string[])[],
  { client, cluster, reason }: Following,
  host: Host,
): Promise<readonly CommandOutputBody[] | undefined> {
  let at: string | undefined;
  try {
    const batch = await client.runBatch(
      cluster,
      {
        steps: steps.map((argv) => ({ argv: [...argv] })),
        onError: 'continue',
        ...(reason !== undefined && { reason }),
      },
      {
        idempotencyKey: randomUUID(),
        onAccepted: (_, path) => (at = path),
        ...(host.signal && { signal: host.signal }),
      },
    );
    return batch.items;
  } catch (error) {
    if (!host.signal?.aborted) throw error;
    if (at !== undefined)
      await client
        .cancelAt(at, AbortSignal.timeout(CANCEL_MS))
        .catch((failure: Error) => tell(host, `not cancelled: ${failure.message}`));
    return undefined;
  }
}

/** With what it ends within this time, if it does. */
async function endedIn(ms: number, { signal, readerGone, sleep }: Host): Promise<number | undefined> {
  const ends = [signal, readerGone].filter((one) => one !== undefined);
  await (sleep ? sleep(ms) : pause(ms, undefined, { signal: AbortSignal.any(ends) })).catch(() => undefined);
  return signal?.aborted ? exits.interrupted : readerGone?.aborted ? exits.readerGone : undefined;
}

/** The argv without these flags. */
function without(argv: readonly string[], { flags }: ReadArgv, names: readonly string[]): readonly string[] {
  const gone = new Set<number>();
  const words = [...argv];
  for (const { flag, at, nameAt } of flags) {
    if (!names.includes(flag.name)) continue;
    const word = words[nameAt] ?? '';
    // Of a cluster such as -ft only the letter goes.
    if (!word.startsWith('--') && word.length > 2 && flag.bare !== undefined && flag.short !== undefined) {
      words[nameAt] = word.replace(flag.short, '');
      if (words[nameAt] === '-') gone.add(nameAt);
    } else gone.add(nameAt).add(at);
  }
  return words.filter((_, index) => !gone.has(index));
}

/** Flags right behind the command, before any `--`. */
function inserted(argv: readonly string[], flags: readonly string[]): readonly string[] {
  const dash = argv.indexOf('--');
  return dash === -1 ? [...argv, ...flags] : [...argv.slice(0, dash), ...flags, ...argv.slice(dash)];
}
