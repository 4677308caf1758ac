import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type YAMLMap,
} from 'yaml';
import type { Path } from './problem.ts';

/** A YAML text as plain values, and the way back from a value to its line. */
interface SourceDocument {
  readonly value: unknown;
  /** The line (from 1) of the key or list item at `path`; of the nearest one above when it is not there. */
  line(path: Path): number;
  /** What is wrong with the text itself. */
  readonly problems: readonly { readonly line: number; readonly message: string }[];
}

/** Aliases are expanded by the reader: without a cap nine lines become gigabytes ("billion laughs"). */
const MAX_ALIASES = 100;

/**
 * Reads one YAML 1.2 document of plain mappings, lists and scalars. Duplicate keys, tags, directives and further documents are
 * problems: each of them can make another value of what a reader sees. Never throws for bad text.
 */
export function readDocument(text: string): SourceDocument {
  const lines = new LineCounter();
  const lineAt = (offset: number | undefined): number => (offset === undefined ? 1 : lines.linePos(offset).line);
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
    const problems = [
      ...[...document.errors, ...document.warnings]
        .filter(({ code }) => code !== 'TAG_RESOLVE_FAILED') // told below, as of every tag
        .map(({ pos, message }) => ({ offset: pos[0], message })),
      ...irregularities(document),
    ].map(({ offset, message }) => ({ line: lineAt(offset), message }));
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

/**
 * Whether the text ends with YAML's own mark of a document's end, a line `...` (YAML 1.2.2, section 9.1.2). A text that was cut
 * anywhere does not.
 */
export const hasEndMark = (text: string): boolean => /(?:^|\n)\.\.\.$/.test(text.slice(-1_000).trimEnd());

interface Irregularity {
  readonly offset: number | undefined;
  readonly message: string;
}

/** What YAML allows and a configuration does not need: each has made a rule disappear in silence. */
function irregularities(document: Document.Parsed): readonly Irregularity[] {
  const found: Irregularity[] = [];
  const { yaml, tags } = document.directives;
  if (yaml.explicit || Object.keys(tags).length > 1 || tags['!!'] !== 'tag:yaml.org,2002:')
    found.push({
      offset: 0,
      message: 'a directive (%YAML, %TAG) changes how everything after it is read: leave it out',
    });
  const check = (node: Node): void => {
    // `!!omap` and `!!set` become objects of JavaScript in which no key is found.
    if (!isAlias(node) && node.tag !== undefined)
      found.push({ offset: node.range?.[0], message: `the tag ${node.tag} is not read here: write plain values` });
  };
  visit(document, {
    Scalar: (_key, node) => check(node),
    Seq: (_key, node) => check(node),
    Map: (_key, node) => {
      check(node);
      found.push(...irregularKeys(node));
    },
  });
  return found;
}

/** Keys are compared as the texts that they become: to YAML 2026 and "2026" are two keys, and the second would win. */
function irregularKeys({ items, range }: YAMLMap): readonly Irregularity[] {
  const seen = new Set<string>();
  return items.flatMap(({ key }): readonly Irregularity[] => {
    if (!isScalar(key))
      return [{ offset: range?.[0], message: 'a key must be a plain text, not an alias, a list or a mapping' }];
    const offset = key.range?.[0];
    const text = String(key.value);
    if (typeof key.value !== 'string' && key.source !== text)
      return [{ offset, message: `the key ${key.source ?? text} would be read as ${text}: write it in quotes` }];
    if (seen.has(text))
      return [{ offset, message: `the key ${JSON.stringify(text)} is given twice: the second would win` }];
    seen.add(text);
    return [];
  });
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
