import { parse, type Node } from 'acorn';
import { expect, test } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

interface Constant {
  readonly name: string;
  /** Undefined where only running it tells. */
  readonly primitive: boolean | undefined;
}

/** The constants of a module that have a name and a value. */
function constantsOf(text: string): readonly Constant[] {
  const { body } = parse(stripTypeScriptTypes(text), { ecmaVersion: 'latest', sourceType: 'module' });
  return body.flatMap((statement) => {
    const declared = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
    if (declared?.type !== 'VariableDeclaration' || declared.kind !== 'const') return [];
    return declared.declarations.flatMap(({ id, init }) =>
      id.type === 'Identifier' && init ? [{ name: id.name, primitive: isPrimitive(init as Shape) }] : [],
    );
  });
}

type Shape = Node & {
  readonly regex?: unknown;
  readonly argument?: Shape;
  readonly left?: Shape;
  readonly right?: Shape;
  readonly expressions?: readonly Shape[];
};

function isPrimitive(node: Shape): boolean | undefined {
  switch (node.type) {
    case 'Literal':
      return node.regex === undefined;
    case 'TemplateLiteral':
      return (node.expressions ?? []).every((each) => isPrimitive(each)) || undefined;
    case 'UnaryExpression':
      return node.argument && isPrimitive(node.argument);
    case 'BinaryExpression':
      return (node.left && node.right && isPrimitive(node.left) && isPrimitive(node.right)) || undefined;
    case 'ObjectExpression':
    case 'ArrayExpression':
    case 'NewExpression':
    case 'ArrowFunctionExpression':
      return false;
    default:
      return undefined;
  }
}

const misnamed = (text: string): string[] =>
  constantsOf(text)
    .filter(({ name, primitive }) =>
      primitive ? !/^[A-Z][A-Z0-9_]*$/.test(name) : primitive === false && /^[A-Z][A-Z0-9_]*$/.test(name),
    )
    .map(({ name }) => name);

test('a constant of a module is UPPER_SNAKE_CASE when it is primitive, camelCase when it is not', () => {
  const wrong = globSync('{shared,functions,infra}/**/*.ts', { cwd: root }).flatMap((file) =>
    misnamed(readFileSync(join(root, file), 'utf8')).map((name) => `${file}: ${name}`),
  );
  expect(wrong).toEqual([]);
});

test('constants are read well enough to find those that are wrong', () => {
  const text = `const most: number = 2 * 1024; export const LIST: readonly string[] = ['a'];
    const PATTERN = /x/; const list = new Map(); const LATE = most; const name = 'x' as const;`;
  expect(misnamed(text)).toEqual(['most', 'LIST', 'PATTERN', 'name']);
});
