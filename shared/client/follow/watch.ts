/** One look at a list: what was there, object by object, and the rows that the tool printed for them. */
interface Looked {
  /** `NAMESPACE NAME RESOURCEVERSION`, one a line, before the rows were read. */
  readonly before: string;
  /** The tool's own rows, without a head. */
  readonly rows: string;
  /** The same as `before`, afterwards. */
  readonly after: string;
}

interface Watch {
  /** The rows of what is new or has changed since the last look; undefined when something changed in between and it has to be looked again. */
  take(looked: Looked): string | undefined;
}

/** Tells the changes between looks by resource versions: a row is shown once for each version that a look saw. */
export function createWatch(): Watch {
  let versions = new Map<string, string>();
  return {
    take({ before, rows, after }) {
      const objects = linesOf(before);
      const printed = linesOf(rows);
      // Rows and versions belong together only if nothing changed while they were read.
      if (before !== after || objects.length !== printed.length) return undefined;
      let out = '';
      const now = new Map<string, string>();
      objects.forEach((line, index) => {
        const at = line.trimEnd().lastIndexOf(' ');
        const [object, version] = [line.slice(0, at).trimEnd(), line.slice(at + 1).trim()];
        now.set(object, version);
        if (versions.get(object) !== version) out += `${printed[index] ?? ''}\n`;
      });
      versions = now;
      return out;
    },
  };
}

const linesOf = (text: string): readonly string[] => text.split('\n').filter((line) => line.trim() !== '');
