import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Node } from 'yaml';
import type { Path } from './problem.ts';

/** A YAML text as plain values, and the way back from a value to its line. */
export interface SourceDocument {
  readonly value: unknown;
  /** The line (from 1) of the key or list item at `path`; of the nearest one above when it is not there. */
  line(path: Path): number;
  /** What is wrong with the text itself. */
  readonly problems: readonly { readonly line: number; readonly message: string }[];
}

/** Aliases are expanded by the reader: without a cap nine lines become gigabytes ("billion laughs"). */
const MAX_ALIASES = 100;

/** Reads one YAML 1.2 document. Duplicate keys, unknown tags and further documents are problems. Never throws for bad text. */
export function readDocument(text: string): SourceDocument {
  const lines = new LineCounter();
  const lineAt = (offset: number | undefined): number => (offset === undefined ? 1 : lines.linePos(offset).line);
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
    const problems = [...document.errors, ...document.warnings].map((error) => ({
      line: lineAt(error.pos[0]),
      message: error.message,
    }));
    const resolve = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node);
    return {
      value: problems.length > 0 ? undefined : document.toJS({ maxAliasCount: MAX_ALIASES }),
      line: (path) => lineAt(find(document.contents, path, resolve)),
      problems,
    };
  } catch (error) {
    // The alias cap, and nesting deep enough to exhaust the stack, are thrown by the reader.
    const message = error instanceof Error ? error.message : String(error);
    return { value: undefined, line: () => 1, problems: [{ line: 1, message }] };
  }
}

/** The offset of the deepest thing on the path that is there. */
function find(root: Node | null, path: Path, resolve: (node: unknown) => unknown): number | undefined {
  let offset = root?.range?.[0];
  let node: unknown = root;
  for (const step of path) {
    const here = resolve(node);
    if (isMap(here)) {
      const pair = here.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (!pair || !isScalar(pair.key)) return offset;
      offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(here) && typeof step === 'number') {
      node = here.items[step];
      const range = (node as Node | null | undefined)?.range;
      if (!range) return offset;
      offset = range[0];
    } else return offset;
  }
  return offset;
}
