import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { outcomeEvents } from '../../shared/audit/events.ts';
import { labels, metrics, outcomeOf, prometheusName, type MetricName } from '../../shared/telemetry/metrics.ts';
import { spans } from '../../shared/telemetry/spans.ts';
import { parse, withSections } from '../config/valid.ts';

const read = (path: string): string => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
const names = Object.keys(metrics) as MetricName[];

const row = (name: MetricName): string => {
  const { kind, unit, labels, says } = metrics[name];
  const shown = labels.map((label) => `\`${label}\``).join(', ');
  return `| \`${name}\` | \`${prometheusName(name)}\` | ${kind} | ${unit.replace(/[{}]/g, '')} | ${shown} | ${says} |`;
};

describe('the table of metrics', () => {
  test('stands in the README of the room, row by row and no other', () => {
    const rows = read('shared/telemetry/README.md')
      .split('\n')
      .filter((line) => /^\| `(aksgw|http)\./.test(line));
    expect(rows).toEqual(names.map(row));
  });

  test('has names and units as OpenTelemetry takes them, and names in Prometheus that are its own', () => {
    for (const name of names) {
      expect(name).toMatch(/^[a-z][a-z0-9]*(\.[a-z][a-z0-9_]*)+$/);
      expect(metrics[name].unit).toMatch(/^(s|By|1|\{[a-z]+\})$/);
      expect(prometheusName(name)).toMatch(/^[a-z][a-z0-9_]+$/);
    }
    expect(new Set(names.map(prometheusName)).size).toBe(names.length);
  });

  test('has labels of few values only: words of the code, or names of the configuration', () => {
    for (const [label, values] of Object.entries(labels)) {
      expect(label).not.toMatch(/\bid\b|principal|user|oid/);
      if (typeof values !== 'string') expect(values.length).toBeLessThan(100);
    }
    for (const name of names) for (const label of metrics[name].labels) expect(labels).toHaveProperty([label]);
  });

  test('has an outcome for every event that ends a command, and no other', () => {
    const outcomes = outcomeEvents.flatMap((event) => [outcomeOf(event, 0), outcomeOf(event, 1)]);
    expect([...new Set(outcomes)].sort()).toEqual([...labels.outcome].sort());
  });
});

test('the table of spans stands in the README of the room', () => {
  const rows = read('shared/telemetry/README.md')
    .split('\n')
    .filter((line) => /^\| `[a-z]+` \|/.test(line));
  expect(rows).toEqual(Object.entries(spans).map(([name, says]) => `| \`${name}\` | ${says} |`));
});

describe("the README's section on what is measured", () => {
  const section = /\n## What it measures\n([^]*?)\n## /.exec(read('README.md'))?.[1] ?? '';
  const quoted = [...section.matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text);

  test('names metrics that there are, by the names that they have', () => {
    const named = quoted.filter((text) => /^(aksgw|http)[._]/.test(text));
    expect(named.length).toBeGreaterThan(10);
    const known: readonly string[] = [...names, ...names.map(prometheusName)];
    expect(named.filter((name) => !known.includes(name))).toEqual([]);
  });

  test('names each span, in the order of a command, and no other', () => {
    const line = /A span for each step:([^]*?)\n- /.exec(section)?.[1] ?? '';
    const named = [...line.matchAll(/`([^`\n]+)`/g)].map(([, name]) => name);
    const { job, ...steps } = spans;
    expect(job).toBeDefined();
    expect(named).toEqual([...Object.keys(steps), 'job']);
  });

  test('shows keys that the configuration takes', () => {
    const yaml = /```yaml\n([^]*?)```/.exec(section)?.[1] ?? '';
    const env = {
      APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=${'1'.repeat(8)}-1111-4111-8111-111111111111`,
    };
    const { telemetry } = parse(`${withSections({})}\n${yaml}`, { env });
    expect(telemetry).toMatchObject({ to: { kind: 'azureMonitor' }, prometheus: true });
  });
});
