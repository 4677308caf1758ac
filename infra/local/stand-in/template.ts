import { isObject, type Json } from '../kubernetes/json.ts';

/**
 * The part of Go's text/template that the gateway's own templates use: fields, text, `range`, `if`, `with`, `else`, `end`, and the functions
 * below (pkg.go.dev/text/template). Anything else is an error. test/health/stand-in.test.ts holds it against the real kubectl.
 */
type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly value: Expression }
  | {
      readonly kind: 'range' | 'if' | 'with';
      readonly value: Expression;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    };

type Expression =
  | { readonly kind: 'path'; readonly path: readonly string[] }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] };

/** Throws Error for a template that it does not know. */
export function printTemplate(template: string, value: Json): string {
  const tokens = template.split(/\{\{(.*?)\}\}/s);
  const parser = { tokens, at: 0 };
  const nodes = parseNodes(parser, true);
  return nodes.map((node) => print(node, value)).join('');
}

interface Parser {
  readonly tokens: readonly string[];
  at: number;
}

/** Text stands at even places, actions at odd ones. */
function parseNodes(parser: Parser, whole: boolean): readonly Node[] {
  const nodes: Node[] = [];
  while (parser.at < parser.tokens.length) {
    const token = parser.tokens[parser.at] ?? '';
    if (parser.at % 2 === 0) {
      nodes.push({ kind: 'text', text: token });
      parser.at += 1;
      continue;
    }
    const [word = ''] = token.trim().split(/\s/);
    if (word === 'end' || word === 'else') {
      if (whole) throw new Error(`unexpected {{${word}}}`);
      return nodes;
    }
    parser.at += 1;
    if (word === 'range' || word === 'if' || word === 'with') {
      const value = parseExpression(token.trim().slice(word.length));
      const body = parseNodes(parser, false);
      const otherwise = closing(parser) === 'else' ? closed(parser) : [];
      nodes.push({ kind: word, value, body, otherwise });
    } else nodes.push({ kind: 'print', value: parseExpression(token) });
  }
  if (!whole) throw new Error('unexpected EOF');
  return nodes;
}

function closing(parser: Parser): string {
  const word = (parser.tokens[parser.at] ?? '').trim();
  parser.at += 1;
  return word;
}

function closed(parser: Parser): readonly Node[] {
  const nodes = parseNodes(parser, false);
  closing(parser);
  return nodes;
}

function parseExpression(text: string): Expression {
  const words = text.match(/"(?:[^"\\]|\\.)*"|[()]|[^\s()]+/g) ?? [];
  let at = 0;
  const operand = (): Expression => {
    const word = words[at] ?? '';
    at += 1;
    if (word === '(') {
      const inner = command();
      if (words[at] !== ')') throw new Error(`unclosed parenthesis in {{${text}}}`);
      at += 1;
      return inner;
    }
    if (word.startsWith('"')) return { kind: 'text', text: JSON.parse(word) as string };
    if (word.startsWith('.')) return { kind: 'path', path: word.split('.').filter((name) => name !== '') };
    throw new Error(`the stand-in knows no ${word} in {{${text}}}`);
  };
  const command = (): Expression => {
    const word = words[at] ?? '';
    if (!/^[a-z]+$/.test(word)) return operand();
    at += 1;
    const args: Expression[] = [];
    while (at < words.length && words[at] !== ')') args.push(operand());
    return { kind: 'call', name: word, args };
  };
  const parsed = command();
  if (at !== words.length) throw new Error(`the stand-in cannot read {{${text}}}`);
  return parsed;
}

type Value = Json | undefined;

const functions: Readonly<Record<string, (args: readonly Value[]) => Value>> = {
  eq: ([a, b]) => a === b,
  ne: ([a, b]) => a !== b,
  or: (args) => args.find(truth) ?? args.at(-1),
  and: (args) => args.find((one) => !truth(one)) ?? args.at(-1),
  index: ([of, key]) => (isObject(of) && typeof key === 'string' ? of[key] : undefined),
  // url.QueryEscape leaves letters, digits and "-_.~" as they are.
  urlquery: ([value]) =>
    encodeURIComponent(shown(value))
      .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll('%20', '+'),
};

function evaluate(expression: Expression, dot: Value): Value {
  switch (expression.kind) {
    case 'text':
      return expression.text;
    case 'path':
      return expression.path.reduce<Value>((value, name) => (isObject(value) ? value[name] : undefined), dot);
    case 'call': {
      const call = functions[expression.name];
      if (!call) throw new Error(`function "${expression.name}" not defined`);
      return call(expression.args.map((arg) => evaluate(arg, dot)));
    }
  }
}

/** False, 0, nothing, and what is empty (text/template, "Actions"). */
const truth = (value: Value): boolean =>
  !(
    value === undefined ||
    value === null ||
    value === false ||
    value === 0 ||
    value === '' ||
    (Array.isArray(value) && value.length === 0) ||
    (isObject(value) && Object.keys(value).length === 0)
  );

const shown = (value: Value): string =>
  value === undefined || value === null
    ? '<no value>'
    : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value);

function print(node: Node, dot: Value): string {
  if (node.kind === 'text') return node.text;
  const value = evaluate(node.value, dot);
  if (node.kind === 'print') return shown(value);
  const run = (nodes: readonly Node[], on: Value): string => nodes.map((inner) => print(inner, on)).join('');
  if (!truth(value)) return run(node.otherwise, dot);
  if (node.kind === 'range') return (Array.isArray(value) ? value : []).map((item) => run(node.body, item)).join('');
  return run(node.body, node.kind === 'with' ? value : dot);
}
