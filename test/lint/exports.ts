import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** A source file: what it exports, and what it imports by name from which file. */
interface Module {
  readonly file: string;
  readonly exports: readonly string[];
  readonly imports: readonly { readonly from: string; readonly names: readonly string[] }[];
}

const EXPORT = /^export (?:async )?(?:abstract )?(?:function\*?|const|let|class|interface|type|enum) (\w+)/gm;
const IMPORT =
  /^(?:import|export) (?:type )?(?:\w+,? ?)?(?:\{([^}]*)\}|\* as \w+)? ?from '(\.[^']+)'|^import '(\.[^']+)'/gm;
const DYNAMIC = /(?:const|let) \{([^}]*)\}\s*=\s*await import\('(\.[^']+)'\)|import\('(\.[^']+)'\)(?:\)?\.(\w+))?/g;

/** Every source of the project, types included. Relative specifiers only; what a dynamic import takes whole counts as all of it. */
export function readModules(): readonly Module[] {
  return globSync('{shared,functions,infra,test}/**/*.{ts,cts}', {
    cwd: root,
    exclude: (name) => name.includes('node_modules'),
  })
    .filter((file) => !file.includes('node_modules'))
    .map((file) => readModule(file, readFileSync(join(root, file), 'utf8')));
}

function readModule(file: string, text: string): Module {
  const target = (specifier: string): string => join(dirname(file), specifier);
  const imports = [
    ...[...text.matchAll(IMPORT)].map((match) => ({
      from: target(match[2] ?? match[3] ?? ''),
      names: match[1] === undefined ? ['*'] : namesIn(match[1]),
    })),
    ...[...text.matchAll(DYNAMIC)].map((match) => ({
      from: target(match[2] ?? match[3] ?? ''),
      names: match[1] === undefined ? [match[4] ?? '*'] : namesIn(match[1]),
    })),
  ];
  return { file, exports: [...text.matchAll(EXPORT)].map((match) => match[1] ?? ''), imports };
}

const namesIn = (list: string): string[] =>
  list
    .split(',')
    .map(
      (one) =>
        one
          .trim()
          .replace(/^type /, '')
          .split(/ as |: /)[0] ?? '',
    )
    .filter((name) => name !== '');

/** Exports that no other file imports, as `file: name`. */
export function unusedExports(modules: readonly Module[]): readonly string[] {
  const used = new Map<string, Set<string>>();
  for (const { imports } of modules)
    for (const { from, names } of imports) {
      const known = used.get(from) ?? new Set();
      used.set(from, known);
      for (const name of names) known.add(name);
    }
  return modules.flatMap(({ file, exports }) => {
    const names = used.get(file) ?? new Set();
    if (names.has('*')) return [];
    return exports.filter((name) => !names.has(name)).map((name) => `${file}: ${name}`);
  });
}

/** Files that import each other in a circle, types included: each group once. */
export function circles(modules: readonly Module[]): readonly (readonly string[])[] {
  const known = new Map(modules.map((module) => [module.file, module.imports.map(({ from }) => from)]));
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const groups: string[][] = [];
  // Tarjan's strongly connected components.
  const visit = (file: string): void => {
    order.set(file, order.size);
    low.set(file, order.get(file) ?? 0);
    stack.push(file);
    for (const next of known.get(file) ?? []) {
      if (!known.has(next)) continue;
      if (!order.has(next)) visit(next);
      if (stack.includes(next)) low.set(file, Math.min(low.get(file) ?? 0, low.get(next) ?? 0));
    }
    if (low.get(file) !== order.get(file)) return;
    const group = stack.splice(stack.indexOf(file));
    if (group.length > 1) groups.push(group.toSorted());
  };
  for (const file of known.keys()) if (!order.has(file)) visit(file);
  return groups;
}
