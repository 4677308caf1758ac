import type { SentFile } from '../invocation.ts';

/**
 * What a chart's templates ask the cluster while they are rendered: `lookup APIVERSION KIND NAMESPACE NAME`
 * (helm.sh/docs/chart_template_guide/functions_and_pipelines, "Using the lookup function"). Each part is undefined when it is not a plain text
 * in the template, so that any may come of it.
 */
export interface Lookup {
  readonly apiVersion: string | undefined;
  readonly kind: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

/** What can be asked for is known by reading no further. */
const anything: Lookup = { apiVersion: undefined, kind: undefined, namespace: undefined, name: undefined };

/** Of the whole chart and those inside it; helm renders every file below a folder `templates`. */
export function lookupsOf(files: readonly SentFile[]): readonly Lookup[] {
  return files
    .filter(({ path }) => /(?:^|\/)templates\//u.test(path))
    .flatMap(({ bytes }) => lookupsIn(Buffer.from(bytes).toString('utf8')));
}

function lookupsIn(text: string): readonly Lookup[] {
  const found: Lookup[] = [];
  for (const action of actions(text)) {
    if (action === undefined) return [anything];
    for (const [at, { kind, text: word }] of action.entries()) {
      if (kind !== 'word') continue;
      // It renders a text that is known only then, and may hold a lookup.
      if (word === 'tpl') found.push(anything);
      if (word === 'lookup') found.push(lookupFrom(action.slice(at + 1)));
    }
  }
  return found;
}

/** Parentheses and pipes move the parts behind them, so that these are not known either. */
function lookupFrom(tokens: readonly Token[]): Lookup {
  const part = (at: number): string | undefined =>
    tokens.slice(0, at).some(({ kind }) => kind === 'other') ? undefined : plainText(tokens[at]);
  return { apiVersion: part(0), kind: part(1), namespace: part(2), name: part(3) };
}

interface Token {
  readonly kind: 'text' | 'word' | 'field' | 'other';
  readonly text: string;
}

const kinds = ['text', 'word', 'field', 'other'] as const;

/** Without quotes; undefined for what Go would read otherwise than it stands there. */
const plainText = (token: Token | undefined): string | undefined =>
  token?.kind === 'text' ? /^["`]([-\w./]*)["`]$/u.exec(token.text)?.[1] : undefined;

// As text/template/parse/lex.go splits an action: quoted and raw texts, identifiers, fields and variables; all else one character at a time.
const tokenPattern =
  /(?<text>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?<field>[.$][\p{L}\p{Nd}_.$]*)|(?<word>[\p{L}_][\p{L}\p{Nd}_]*)|(?<space>\s+)|(?<end>\}\})|(?<other>'(?:[^'\\\n]|\\.)+'|[^"`'])/uy;
const comment = /\{\{(?:-[ \t\r\n])?\/\*/uy;
const commentEnd = /\*\/(?:[ \t\r\n]-)?\}\}/uy;

/** The tokens of each `{{ … }}`; undefined for one that is not understood. */
function* actions(text: string): Generator<readonly Token[] | undefined> {
  for (let at = text.indexOf('{{'); at !== -1; at = text.indexOf('{{', at)) {
    comment.lastIndex = at;
    if (comment.test(text)) {
      // It ends at the first asterisk and slash, and the action with it, or is an error.
      commentEnd.lastIndex = text.indexOf('*/', comment.lastIndex);
      if (commentEnd.lastIndex < 0 || !commentEnd.test(text)) return yield undefined;
      at = commentEnd.lastIndex;
      continue;
    }
    const tokens: Token[] = [];
    at += 2;
    for (;;) {
      tokenPattern.lastIndex = at;
      const groups = tokenPattern.exec(text)?.groups;
      if (groups === undefined) return yield undefined;
      at = tokenPattern.lastIndex;
      if (groups['end'] !== undefined) break;
      const kind = kinds.find((one) => groups[one] !== undefined);
      if (kind !== undefined) tokens.push({ kind, text: groups[kind] ?? '' });
    }
    yield tokens;
  }
}
