import type { FlagType } from './grammar.ts';
import { refuse } from '../../lib/refuse.ts';

const trueWords = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const falseWords = ['0', 'f', 'F', 'false', 'FALSE', 'False'];
/** Go takes 0x10, 0b1, 1_000 and, for most flags but not for -v, 010 as 8: one spelling has one meaning here. */
const decimalPattern = /^[+-]?(?:0|[1-9]\d*)$/u;
const floatPattern = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/u;
/** Go's time.ParseDuration: a unit after every number, except for a bare 0. */
const durationPattern = /^[+-]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/u;
const INT64 = 2n ** 63n;

/**
 * The values that one use of a flag gives, as pflag reads its type: a boolean as `true` or `false`, a CSV list split, all else as
 * it came. Throws Problem `command-refused`, naming the flag as the caller spelt it, on what the tool would refuse.
 */
export const readValue = (type: FlagType, spelt: string, value: string): string[] => readers[type](spelt, value);

const asItIs = (_: string, value: string): string[] => [value];

const readers: Readonly<Record<FlagType, (spelt: string, value: string) => string[]>> = {
  bool(spelt, value) {
    if (trueWords.includes(value)) return ['true'];
    if (falseWords.includes(value)) return ['false'];
    throw refuse(`${spelt}=${value}`, 'is a boolean: true or false, after an equals sign');
  },
  switch(_, value) {
    if (trueWords.includes(value)) return ['true'];
    return [falseWords.includes(value) ? 'false' : value];
  },
  int(spelt, value) {
    // Reading a number takes the square of its length; no number of 64 bits is longer than this.
    const number = value.length <= 20 && decimalPattern.test(value) ? BigInt(value.replace('+', '')) : INT64;
    if (number < INT64 && number >= -INT64) return [value];
    throw refuse(`${spelt}=${value}`, 'takes a whole number in plain decimal digits');
  },
  float(spelt, value) {
    if (floatPattern.test(value)) return [value];
    throw refuse(`${spelt}=${value}`, 'takes a number');
  },
  duration(spelt, value) {
    if (durationPattern.test(value)) return [value];
    throw refuse(`${spelt}=${value}`, 'takes a duration with a unit, such as 30s, 5m or 1h30m');
  },
  csv: splitCsv,
  string: asItIs,
  map(spelt, value) {
    // pflag's StringToString: a single equals sign makes one pair of it all, else pairs are parted by commas.
    const pairs = value.split('=').length === 2 ? [value] : value.split(',');
    if (/^[^"\r\n]*$/u.test(value) && pairs.every((pair) => pair.includes('='))) return [value];
    throw refuse(`${spelt}=${value}`, 'takes key=value, or several with commas between them, without quotes');
  },
  vmodule: asItIs,
};

/** One CSV record as Go's encoding/csv reads it; pflag takes the first line and drops the rest, so a line break is refused. */
function splitCsv(spelt: string, value: string): string[] {
  if (/[\r\n]/u.test(value)) throw refuse(spelt, 'takes a comma-separated list of one line');
  if (value === '') return [];
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    let field = '';
    if (value[at] === '"') {
      const quoted = /"((?:[^"]|"")*)"(?=,|$)/uy;
      quoted.lastIndex = at;
      const match = quoted.exec(value);
      if (match === null)
        throw refuse(
          `${spelt}=${value}`,
          'has a quote in its comma-separated list that is not closed, or that text follows',
        );
      field = (match[1] ?? '').replaceAll('""', '"');
      at = quoted.lastIndex;
    } else {
      const comma = value.indexOf(',', at);
      const end = comma === -1 ? value.length : comma;
      field = value.slice(at, end);
      if (field.includes('"'))
        throw refuse(`${spelt}=${value}`, 'has a quote inside an unquoted part of its comma-separated list');
      at = end;
    }
    fields.push(field);
    if (at >= value.length) return fields;
    at++;
  }
}

/** The word that a CSV flag reads back as exactly this one value. */
export const csvWord = (value: string): string =>
  /[",\r\n]/u.test(value) || value === '' ? `"${value.replaceAll('"', '""')}"` : value;

const unitMs: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ns: 1e-6,
};

/** Milliseconds of a Go duration that readValue took. */
export function durationMs(value: string): number {
  let ms = 0;
  const unsigned = value.replace(/^[-+]/u, '');
  for (const [, amount = '0', unit = 's'] of unsigned.matchAll(/([\d.]+)(ns|us|µs|μs|ms|s|m|h)/guy)) {
    ms += Number(amount) * (unitMs[unit] ?? 0);
  }
  return value.startsWith('-') ? -ms : ms;
}
