/** `[pod/x/c] 2026-11-28T12:00:00.123456789Z text`: what `kubectl logs --timestamps` prints, with or without `--prefix`. */
const stampedLine = /^(\[[^\]]*\] )?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)(?: (.*))?$/s;

/** Windows overlap by this: pods on several nodes go by several clocks. */
const OVERLAP_MS = 10_000;

/** Strings windows of a log together: each line once, none lost where a window begins before the last one ended. */
interface Seam {
  /** The new lines of a window, without their times unless those were asked for. */
  take(text: string): string;
  /** Where the next window has to begin: a whole second, which is what the API server goes by (SinceTime is a metav1.Time). */
  readonly since: string | undefined;
}

export function createSeam({ timestamps }: { readonly timestamps: boolean }): Seam {
  let latest = -Infinity;
  /** The lines of the overlap that were shown, by how often: two lines may be equal to the nanosecond. */
  let shown = new Map<string, number>();
  return {
    take(text) {
      const left = new Map(shown);
      let out = '';
      for (const line of text.split(/(?<=\n)/)) {
        const before = left.get(line) ?? 0;
        if (before > 0) {
          left.set(line, before - 1);
          continue;
        }
        latest = Math.max(latest, secondOf(line) ?? -Infinity);
        shown.set(line, (shown.get(line) ?? 0) + 1);
        out += timestamps ? line : withoutTime(line);
      }
      shown = new Map([...shown].filter(([line]) => (secondOf(line) ?? -Infinity) >= latest - OVERLAP_MS));
      return out;
    },
    get since() {
      if (latest === -Infinity) return undefined;
      return `${new Date(latest - OVERLAP_MS).toISOString().slice(0, 19)}Z`;
    },
  };
}

/** The whole second that a line is of, in epoch milliseconds. */
function secondOf(line: string): number | undefined {
  const [, , second, zone] = stampedLine.exec(line) ?? [];
  return second === undefined ? undefined : Date.parse(`${second}${zone}`);
}

function withoutTime(line: string): string {
  const found = stampedLine.exec(line.replace(/\n$/, ''));
  return found ? `${found[1] ?? ''}${found[4] ?? ''}${line.endsWith('\n') ? '\n' : ''}` : line;
}
