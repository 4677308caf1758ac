import { judgeFormat } from './formats.ts';
import { idPattern } from './ids.ts';
import type { Finding } from './provider.ts';
import type { RecordedValue, RecordedValues } from './recorded.ts';
import { isList, isObject, isSet, UNKNOWN, valuesAt, type Value } from './value.ts';

/** Holds a resource against what its provider's own code accepts: enums, ranges, kinds of id, formats, what excludes what. */
export function checkValues(recorded: RecordedValues, type: string, config: Value): readonly Finding[] {
  return Object.entries(recorded[type] ?? {}).flatMap(([path, accepted]) => [
    ...valuesAt(config, path).flatMap(({ path, value }) => {
      const message = refusal(accepted, value);
      return message === undefined ? [] : [{ path, message }];
    }),
    ...checkExclusive(config, path, accepted),
  ]);
}

/** Why a value is refused; undefined for one that is accepted, absent, unknown or a block. */
function refusal(accepted: RecordedValue, value: Value): string | undefined {
  if (value === null || value === UNKNOWN || isObject(value) || isList(value)) return undefined;
  const text = String(value);
  const { oneOf = [], range, lengthRange, idKind = [], says = [] } = accepted;
  const { alternatives, broken } = judgeFormat(
    [...says, ...(accepted.text === undefined ? [] : [accepted.text])],
    text,
  );
  if (broken[0] !== undefined) return `${show(text)}: ${broken[0]}`;
  const least = atLeast(says);
  if (least !== undefined && Number(value) < least) return `${show(text)} is less than ${least}`;

  const patterns = idKind.map(idPattern).filter((pattern) => pattern !== undefined);
  const enumerated = [...oneOf, ...versions(says)];
  const accepts: readonly ((text: string) => boolean)[] = [
    ...(enumerated.length > 0 ? [(text: string) => enumerated.includes(text)] : []),
    ...(range ? [(text: string) => between(Number(text), range)] : []),
    ...(lengthRange ? [(text: string) => between(text.length, lengthRange)] : []),
    ...patterns.map((pattern) => (text: string) => pattern.test(text)),
    ...alternatives,
  ];
  const open = idKind.length > patterns.length; // a kind that is not listed could be what this is
  if (open || accepts.length === 0 || accepts.some((accept) => accept(text))) return undefined;
  return `${show(text)} is not accepted: ${describe(accepted, enumerated)}`;
}

const show = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);

const between = (value: number, [least, most]: readonly [string, string]): boolean =>
  value >= Number(least) && value <= Number(most);

function atLeast(says: readonly string[]): number | undefined {
  const [, least] = says.map((sentence) => /to be at least \((-?[\d.]+)\)$/.exec(sentence)).find(Boolean) ?? [];
  return least === undefined ? undefined : Number(least);
}

const versions = (says: readonly string[]): readonly string[] =>
  says.flatMap((sentence) => /^Value must be one of: (.+)$/.exec(sentence)?.[1]?.split(', ') ?? []);

function describe(
  { range, lengthRange, idKind = [], says = [] }: RecordedValue,
  enumerated: readonly string[],
): string {
  return [
    enumerated.length > 0 && `one of ${enumerated.join(', ')}`,
    range && `${range[0]} to ${range[1]}`,
    lengthRange && `${lengthRange[0]} to ${lengthRange[1]} characters`,
    idKind.length > 0 && `an id of ${idKind.join(' or ')}`,
    ...says,
  ]
    .filter((part) => typeof part === 'string')
    .join('; ');
}

/** "conflicts with", "only one of": attributes of which the provider takes one. */
function checkExclusive(config: Value, path: string, { says = [] }: RecordedValue): readonly Finding[] {
  if (!isSetAt(config, path)) return [];
  return says.flatMap((sentence) => {
    const [, conflict] = /: conflicts with (\S+)$/.exec(sentence) ?? [];
    const [, list] = /: only one of `([^`]+)` can be specified/.exec(sentence) ?? [];
    const others = (list?.split(',') ?? [conflict ?? '']).map(withoutIndexes);
    const other = others.find((other) => other !== '' && other !== path && isSetAt(config, other));
    return other === undefined ? [] : [{ path: path.split('.'), message: `${path} and ${other} exclude one another` }];
  });
}

const withoutIndexes = (path: string): string => path.replaceAll(/\.\d+(?=\.|$)/g, '');

const isSetAt = (config: Value, path: string): boolean => valuesAt(config, path).some(({ value }) => isSet(value));
