import { createRequire } from 'node:module';
import { series } from './receiver.ts';

interface Family {
  readonly name: string;
  readonly metrics: readonly { readonly value: string; readonly labels?: Readonly<Record<string, string>> }[];
}

const parse = createRequire(import.meta.url)('parse-prometheus-text-format') as
  | ((text: string) => readonly Family[])
  | { readonly default: (text: string) => readonly Family[] };

/**
 * `name{label=value,…}` and its number; of a histogram its count. Read by a parser that was ported from Prometheus' own client for Python;
 * it takes histograms together and loses their labels, so it is not told which they are.
 */
export function readPrometheus(text: string): ReadonlyMap<string, number> {
  const histograms = [...text.matchAll(/^# TYPE (\w+) histogram$/gm)].map(([, name = '']) => name);
  const untyped = text.replaceAll(/^# TYPE \w+ histogram\n/gm, '');
  return new Map(
    (typeof parse === 'function' ? parse : parse.default)(untyped).flatMap(({ name, metrics }) => {
      const histogram = histograms.find((each) => name === `${each}_count`);
      if (!histogram && histograms.some((each) => name.startsWith(each))) return [];
      return metrics.map(({ value, labels = {} }) => [series(histogram ?? name, labels), Number(value)] as const);
    }),
  );
}
