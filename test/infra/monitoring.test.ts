import { describe, expect, test } from '@jest/globals';
import { parser } from '@prometheus-io/lezer-promql';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { alerts, GATEWAY } from '../../infra/monitoring/alerts.ts';
import { generated } from '../../infra/monitoring/generated.ts';
import { securityQueries } from '../../infra/monitoring/security-queries.ts';
import { tables } from '../../infra/monitoring/tables.ts';
import { workbookItems } from '../../infra/monitoring/workbook.ts';
import { eventCodes } from '../../shared/audit/events.ts';
import { siemRow } from '../../shared/audit/sinks/siem.ts';
import { labels, metrics, prometheusName, type MetricName } from '../../shared/telemetry/metrics.ts';
import { createBinder } from './kusto.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const files = generated();
const names = Object.keys(metrics) as MetricName[];

test.each(Object.keys(files))('%s is what the code gives: node infra/monitoring/generate.ts', (path) => {
  expect(read(path)).toBe(files[path]);
});

test('nothing else stands among the dashboards', () => {
  const there = globSync('infra/grafana/*', { cwd: root }).sort();
  expect(there).toEqual(
    Object.keys(files)
      .filter((path) => path.startsWith('infra/grafana/'))
      .sort(),
  );
});

describe('KQL, bound by the Kusto language service', () => {
  const bind = createBinder(tables);
  const audit = [
    ...read('infra/monitoring/audit.kql').matchAll(/^\/\/ \d+\. (.+)\n([\s\S]+?)(?=^\/\/ \d|$(?![\s\S]))/gm),
  ];
  const queries: readonly (readonly [string, string])[] = [
    ...alerts.map(({ name, query }) => [name, query] as const),
    ...workbookItems.map(({ title, query }) => [title, query] as const),
    ...Object.entries(securityQueries),
    ...audit.map(([, question = '', query = '']) => [question, query] as const),
  ];

  test('there are all of them', () => expect(queries.length).toBeGreaterThan(40));

  test.each(queries)('%s', (_name, query) => {
    const { problems, columns } = bind(query);
    expect(problems).toEqual([]);
    expect(columns).not.toEqual([]);
  });

  test.each([
    ['a column', 'AksGatewayAudit_CL | where Colour == "red"'],
    ['a table', 'Nothing | count'],
    ['a function', 'AppMetrics | project X = colour(Name)'],
    ['a type', 'AppMetrics | summarize sum(Name)'],
    ['an operator', 'AppMetrics | wher Name == ""'],
  ])('refuses %s that is not there', (_what, query) => expect(bind(query).problems).not.toEqual([]));

  test("the audit table's columns are those of the row that is sent", () => {
    expect(Object.keys(tables.AksGatewayAudit_CL)).toEqual(Object.keys(siemRow({})));
  });

  test('each alert has rows with a Value, told apart by its dimensions', () => {
    for (const { name, query, dimensions } of alerts)
      expect([name, [...bind(query).columns].sort()]).toEqual([name, [...dimensions, 'Value'].sort()]);
  });

  test('every code, metric and label in them exists in the code', () => {
    const codes = new Set<string>(Object.values(eventCodes));
    for (const [name, query] of queries) {
      for (const [, code = ''] of query.matchAll(/"(AKG\w+)"/g)) expect([name, codes.has(code)]).toEqual([name, true]);
      for (const [, metric = ''] of query.matchAll(/Name == "([^"]+)"/g)) {
        expect([name, metric]).toEqual([name, expect.stringMatching(new RegExp(`^(${names.join('|')})$`))]);
        const own: readonly string[] = metrics[metric as MetricName].labels;
        for (const [, label = ''] of query.matchAll(/Properties\["([^"]+)"\]/g))
          expect([name, own]).toEqual([name, expect.arrayContaining([label])]);
        for (const [, label = '', values = ''] of query.matchAll(/Properties\["([^"]+)"\]\) in \(([^)]*)\)/g)) {
          const known: readonly string[] | string = labels[label as keyof typeof labels];
          if (typeof known !== 'string')
            for (const value of values.match(/[^", ]+/g) ?? []) expect(known).toContain(value);
        }
      }
    }
  });
});

/** Places that Prometheus' own grammar does not take; Grafana's variables stand for values. */
function promqlErrors(expr: string): number {
  let errors = 0;
  const tree = parser.parse(expr.replaceAll('$__rate_interval', '5m'));
  tree.iterate({
    enter: ({ type }) => {
      if (type.isError) errors += 1;
    },
  });
  return errors;
}

describe('dashboards', () => {
  interface Panel {
    readonly type: string;
    readonly title: string;
    readonly description?: string;
    readonly targets?: readonly { readonly expr?: string; readonly azureLogAnalytics?: { readonly query: string } }[];
    readonly panels?: readonly Panel[];
  }
  const boards = Object.entries(files)
    .filter(([path]) => path.startsWith('infra/grafana/'))
    .map(
      ([path, text]) =>
        [path, JSON.parse(text) as { readonly uid: string; readonly panels: readonly Panel[] }] as const,
    );
  const panelsOf = (panels: readonly Panel[]): readonly Panel[] =>
    panels.flatMap((panel) => [panel, ...panelsOf(panel.panels ?? [])]);

  /** Every series that Prometheus has of these metrics. */
  const known = new Map(
    names.flatMap((name) =>
      (metrics[name].kind === 'histogram' ? ['_bucket', '_count', '_sum'] : ['']).map(
        (part) => [`${prometheusName(name)}${part}`, name] as const,
      ),
    ),
  );

  test.each(boards)('%s asks for what exists only', (_path, { panels }) => {
    const all = panelsOf(panels).filter(({ type }) => type !== 'row');
    expect(all.length).toBeGreaterThan(4);
    for (const { title, description, targets = [] } of all) {
      expect([title, targets.length > 0, (description ?? '') !== '']).toEqual([title, true, true]);
      for (const { expr, azureLogAnalytics } of targets) {
        if (azureLogAnalytics) {
          expect(createBinder(tables)(azureLogAnalytics.query).problems).toEqual([]);
          continue;
        }
        expect([title, promqlErrors(expr ?? '')]).toEqual([title, 0]);
        const series = expr?.match(/\b(aksgw|http)_\w+/g) ?? [];
        const found = series.filter((word) => known.has(word));
        expect([title, found.length > 0]).toEqual([title, true]);
        const own = new Set(
          found.flatMap((word) => metrics[known.get(word) ?? 'aksgw.commands'].labels as readonly string[]),
        );
        const may = new Set([...own].map((label) => label.replaceAll('.', '_')).concat('le'));
        for (const [, by = ''] of (expr ?? '').matchAll(/by \(([^)]*)\)/g))
          for (const label of by.split(', ')) expect([title, may.has(label)]).toEqual([title, true]);
        for (const [, matchers = ''] of (expr ?? '').matchAll(/\{([^}]*)\}/g))
          for (const [, label = ''] of matchers.matchAll(/(\w+)=~?"/g))
            expect([title, may.has(label)]).toEqual([title, true]);
        // No word of it is a metric that the table does not have.
        expect(series.filter((word) => !known.has(word) && !may.has(word))).toEqual([]);
      }
    }
  });

  test('PromQL that is none is seen', () => expect(promqlErrors('sum by (cluster (x')).toBeGreaterThan(0));

  test('the variable of clusters asks for a series that exists', () => {
    for (const [, text] of Object.entries(files))
      for (const [, name = ''] of text.matchAll(/label_values\((\w+), cluster\)/g)) expect(known.has(name)).toBe(true);
  });
});

describe('alerts', () => {
  test('each has a section in the runbook, and the runbook no other', () => {
    const sections = [...read('infra/monitoring/README.md').matchAll(/^### (.+)$/gm)].map(([, title]) => title);
    expect(sections).toEqual(alerts.map(({ name }) => name));
  });

  test('the one on run command around the gateway leaves the gateway out, and nobody else', () => {
    const bypass = alerts.find(({ name }) => name === 'run-command-around-gateway');
    expect(bypass?.query.split(GATEWAY)).toHaveLength(2);
    expect(alerts.filter(({ query }) => query.includes(GATEWAY))).toHaveLength(1);
  });

  /** As GitHub makes anchors of headings. */
  const anchorsOf = (path: string): readonly string[] =>
    [...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    );

  test('pages and sections that the runbook points at are there', () => {
    const links = [...read('infra/monitoring/README.md').matchAll(/\]\((?!https)([^)#]+)(?:#([^)]+))?\)/g)];
    expect(links.filter(([, , anchor]) => anchor !== undefined).length).toBeGreaterThan(4);
    for (const [, target = '', anchor] of links) {
      const path = join(root, 'infra/monitoring', target);
      expect([target, existsSync(path)]).toEqual([target, true]);
      if (anchor !== undefined) expect([target, anchorsOf(path)]).toEqual([target, expect.arrayContaining([anchor])]);
    }
  });
});
