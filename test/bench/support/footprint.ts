import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What a process takes of its machine. */
export interface Footprint {
  readonly rssMiB: number;
  readonly descriptors: number;
  readonly threads: number;
  /** Bytes of each file in its data folder. */
  readonly files: Readonly<Record<string, number>>;
}

/** proc(5). */
export function footprintOf(pid: number, data: string): Footprint {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const told = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  const files = readdirSync(data, { recursive: true, encoding: 'utf8' }).sort();
  const sizes = files.map((file) => [file, statSync(join(data, file))] as const).filter(([, stat]) => stat.isFile());
  return {
    rssMiB: Math.round(told('VmRSS') / 1024),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: told('Threads'),
    files: Object.fromEntries(sizes.map(([file, { size }]) => [file, size])),
  };
}

/** RSS may move by this much without a word of why: V8 gives memory back when it likes. */
const RSS_SLACK_MIB = 24;
/** Sockets that Azure and callers have not closed yet, and those of a look at its health. */
const DESCRIPTORS_SLACK = 12;
/** A file that holds no records of commands: a key, the lock, SQLite's index of its log. The log itself is bounded by its checkpoint. */
const FIXED_FILE_BYTES = 70 * 1024 * 1024;
/** What a command takes of the disk in the last stages, by what it took in the first. */
const MOST_RATIO = 1.25;

/** Those that grow by what they are for: a line or a row for each command. */
const records = (file: string): boolean => file.startsWith('audit') || file.endsWith('.sqlite');

/** What grew between the first and the last of these, `each` commands apart, and what of it should not have. */
export function growth(stages: readonly Footprint[], each: number) {
  const half = Math.floor(stages.length / 2);
  const [early, late] = [stages.slice(0, half), stages.slice(-half)];
  const most = (some: readonly Footprint[], of: (one: Footprint) => number): number => Math.max(...some.map(of));
  const rss = { earlyMiB: most(early, (one) => one.rssMiB), lateMiB: most(late, (one) => one.rssMiB) };
  const descriptors = { early: most(early, (one) => one.descriptors), late: most(late, (one) => one.descriptors) };
  const bytesPerCommand = { early: bytesEach(early, each), late: bytesEach(late, each) };
  const others = Object.entries(stages.at(-1)?.files ?? {}).filter(([file]) => !records(file));
  const faults = [
    rss.lateMiB > rss.earlyMiB + RSS_SLACK_MIB && `RSS grows: ${rss.earlyMiB} to ${rss.lateMiB} MiB`,
    descriptors.late > descriptors.early + DESCRIPTORS_SLACK &&
      `descriptors grow: ${descriptors.early} to ${descriptors.late}`,
    bytesPerCommand.late > bytesPerCommand.early * MOST_RATIO &&
      `each command takes more of the disk: ${bytesPerCommand.early} to ${bytesPerCommand.late} bytes`,
    ...others.map(([file, bytes]) => bytes > FIXED_FILE_BYTES && `${file} has ${bytes} bytes`),
  ].filter((fault) => fault !== false);
  return { rss, descriptors, bytesPerCommand, faults };
}

function bytesEach(stages: readonly Footprint[], each: number): number {
  const total = ({ files }: Footprint): number =>
    Object.entries(files).reduce((sum, [file, bytes]) => sum + (records(file) ? bytes : 0), 0);
  const [first, last] = [stages[0], stages.at(-1)];
  return first && last ? Math.round((total(last) - total(first)) / (each * (stages.length - 1))) : Number.NaN;
}
