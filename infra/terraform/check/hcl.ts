import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { isList, isObject, UNKNOWN, type ObjectValue, type Value } from './value.ts';

// By require, and not by import: its types bring in the browser's (lib "dom"), which contradict Node's.
const { parse } = createRequire(import.meta.url)('@cdktf/hcl2json') as {
  parse(name: string, text: string): Promise<unknown>;
};

export interface ResourceBlock {
  readonly kind: 'resource' | 'data';
  readonly type: string;
  readonly name: string;
  /** As written: a text with `${…}` is an expression. */
  readonly body: ObjectValue;
}

/** The files of one folder, read as HCL and not evaluated. */
export interface HclModule {
  /** `modules/gateway` */
  readonly folder: string;
  readonly resources: readonly ResourceBlock[];
  readonly variables: Readonly<Record<string, ObjectValue>>;
  readonly outputs: Readonly<Record<string, ObjectValue>>;
  /** Module calls by name. */
  readonly calls: Readonly<Record<string, ObjectValue>>;
  readonly locals: readonly string[];
  readonly providers: Readonly<Record<string, ObjectValue>>;
  readonly requiredVersion: Value;
  /** Every text in it, expressions among them. */
  readonly texts: readonly string[];
}

/** Reads a folder under `root`. `edit` may change a file's text first: tests plant mistakes with it. */
export async function readModule(
  root: string,
  folder: string,
  edit: (file: string, text: string) => string = (_, text) => text,
): Promise<HclModule> {
  const parsed: ObjectValue[] = [];
  for (const file of globSync('*.tf', { cwd: join(root, folder) }).sort()) {
    const path = `${folder}/${file}`;
    parsed.push(await parseOnce(path, edit(path, readFileSync(join(root, path), 'utf8'))));
  }
  const all = (section: string): readonly ObjectValue[] =>
    parsed.flatMap((file) => asList(file[section] ?? [])).filter(isObject);
  const labelled = (section: string): Readonly<Record<string, ObjectValue>> =>
    Object.fromEntries(
      all(section).flatMap((group) => Object.entries(group).map(([name, body]) => [name, first(body)])),
    );
  const settings = all('terraform');
  return {
    folder,
    resources: (['resource', 'data'] as const).flatMap((kind) =>
      all(kind).flatMap((group) => resourcesOf(kind, group)),
    ),
    variables: labelled('variable'),
    outputs: labelled('output'),
    calls: labelled('module'),
    locals: all('locals').flatMap((locals) => Object.keys(locals)),
    providers: Object.assign(
      {},
      ...settings.map((block) => first(block['required_providers'] ?? {})),
    ) as ObjectValue as Readonly<Record<string, ObjectValue>>,
    requiredVersion:
      settings.map((block) => block['required_version']).find((version) => version !== undefined) ?? null,
    texts: parsed.flatMap(textsOf),
  };
}

/** Tests read the same files again for each mistake that they plant in one of them. */
const parsedTexts = new Map<string, Promise<unknown>>();

async function parseOnce(path: string, text: string): Promise<ObjectValue> {
  const parsed = parsedTexts.get(text) ?? parse(path, text);
  parsedTexts.set(text, parsed);
  return (await parsed) as ObjectValue;
}

function resourcesOf(kind: ResourceBlock['kind'], group: ObjectValue): readonly ResourceBlock[] {
  return Object.entries(group).flatMap(([type, named]) =>
    isObject(named) ? Object.entries(named).map(([name, body]) => ({ kind, type, name, body: first(body) })) : [],
  );
}

const asList = (value: Value): readonly Value[] => (isList(value) ? value : [value]);

function first(value: Value): ObjectValue {
  const [block] = asList(value);
  return isObject(block) ? block : {};
}

function textsOf(value: Value): readonly string[] {
  if (typeof value === 'string') return [value];
  if (isList(value)) return value.flatMap(textsOf);
  return isObject(value) ? Object.values(value).flatMap(textsOf) : [];
}

export const isExpression = (value: Value): boolean => typeof value === 'string' && /[$%]\{/.test(value);

/** Arguments that Terraform itself reads, in every resource. */
export const metaArguments: ReadonlySet<string> = new Set([
  'count',
  'for_each',
  'provider',
  'depends_on',
  'lifecycle',
  'connection',
  'provisioner',
]);

/** The body as a value: expressions are unknown, dynamic blocks stand as the block that they make. */
export function toValue(body: ObjectValue): ObjectValue {
  return Object.fromEntries(
    Object.entries(withoutDynamic(body))
      .filter(([name]) => !metaArguments.has(name))
      .map(([name, value]) => [name, literal(value)]),
  );
}

function literal(value: Value): Value {
  if (isExpression(value)) return UNKNOWN;
  if (isList(value)) return value.map(literal);
  return isObject(value) ? toValue(value) : value;
}

/** `dynamic "x" { content { … } }` as `x { … }`. */
export function withoutDynamic(body: ObjectValue): ObjectValue {
  const { dynamic, ...rest } = body;
  if (dynamic === undefined) return rest;
  const made = asList(dynamic)
    .filter(isObject)
    .flatMap((group) => Object.entries(group))
    .map(([name, block]) => [name, asList(first(block)['content'] ?? {})] as const);
  return { ...rest, ...Object.fromEntries(made) };
}
