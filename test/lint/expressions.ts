import { parse, type Node } from 'acorn';
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';

export interface Expression {
  readonly source: string;
  readonly flags: string;
  /** `shared/http/prefer.ts:12`. */
  readonly at: string;
}

const root = join(import.meta.dirname, '../..');

/** Every regular expression that is written in what is deployed. */
export function writtenExpressions(): readonly Expression[] {
  return deployedFiles().flatMap((file) => {
    const found: Expression[] = [];
    visit(syntaxOf(file), (node) => {
      const { regex, loc } = node as Node & { regex?: { pattern: string; flags: string } };
      if (regex) found.push({ source: regex.pattern, flags: regex.flags, at: `${file}:${loc?.start.line}` });
    });
    return found;
  });
}

/** The files that make expressions of text while they run: what they make is only known from running them. */
export function filesThatMakeExpressions(): readonly string[] {
  return deployedFiles().filter((file) => {
    let makes = false;
    visit(syntaxOf(file), (node) => {
      const { callee, arguments: given = [] } = node as Node & {
        callee?: { name?: string };
        arguments?: readonly { readonly type: string }[];
      };
      if (callee?.name === 'RegExp' && given[0]?.type !== 'Identifier') makes = true;
    });
    return makes;
  });
}

/** What `load` makes by the constructor. */
export async function madeExpressions(file: string, load: () => Promise<unknown>): Promise<readonly Expression[]> {
  const found: Expression[] = [];
  const { RegExp } = globalThis;
  globalThis.RegExp = new Proxy(RegExp, {
    construct(target, given: [string | RegExp, string?]) {
      const made = new target(...given);
      found.push({ source: made.source, flags: made.flags, at: file });
      return made;
    },
  });
  try {
    await load();
  } finally {
    globalThis.RegExp = RegExp;
  }
  return found;
}

/** Names an expression in the list of those that are known to be linear. */
export const digestOf = ({ source, flags }: Pick<Expression, 'source' | 'flags'>): string =>
  createHash('sha256').update(`/${source}/${flags}`).digest('hex').slice(0, 16);

const deployedFiles = (): readonly string[] => globSync('{shared,functions}/**/*.ts', { cwd: root }).toSorted();

const syntaxOf = (file: string): Node =>
  parse(stripTypeScriptTypes(readFileSync(join(root, file), 'utf8')), {
    ecmaVersion: 'latest',
    sourceType: 'module',
    locations: true,
  });

function visit(node: unknown, see: (node: Node) => void): void {
  if (Array.isArray(node)) for (const one of node) visit(one, see);
  else if (typeof node === 'object' && node !== null && 'type' in node) {
    see(node as Node);
    for (const [name, child] of Object.entries(node)) if (name !== 'loc') visit(child, see);
  }
}
