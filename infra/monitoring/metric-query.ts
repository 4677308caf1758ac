import { prometheusName, type LabelsOf, type MetricName } from '../../shared/telemetry/metrics.ts';

/** Labels by which a metric is narrowed: one value, or one of several. */
type Where<Name extends MetricName> = {
  readonly [L in keyof LabelsOf<Name>]?: LabelsOf<Name>[L] | readonly LabelsOf<Name>[L][];
};

const listed = (value: unknown): readonly string[] => (Array.isArray(value) ? value : [value]).map(String);

/** The rows of a metric in Application Insights, as KQL. The compiler knows every name in it. */
export function rowsOf<Name extends MetricName>(name: Name, where: Where<Name> = {}): string {
  const narrowed = Object.entries(where).map(
    ([label, values]) =>
      `| where ${property(label)} in (${listed(values)
        .map((value) => `"${value}"`)
        .join(', ')})`,
  );
  return [`AppMetrics`, `| where Name == "${name}"`, ...narrowed].join('\n');
}

/** A label of a metric, as KQL. */
export const property = (label: string): string => `tostring(Properties["${label}"])`;

/** A metric in Prometheus, as PromQL. `part` is of a histogram. */
export function series<Name extends MetricName>(
  name: Name,
  where: Where<Name> = {},
  part: '' | '_bucket' | '_count' | '_sum' = '',
): string {
  const matchers = Object.entries(where).map(([label, values]) => {
    const all = listed(values);
    return `${promLabel(label)}${all.length > 1 || all[0]?.startsWith('$') ? '=~' : '='}"${all.join('|')}"`;
  });
  return `${prometheusName(name)}${part}${matchers.length > 0 ? `{${matchers.join(', ')}}` : ''}`;
}

/** Prometheus takes no dots in labels (opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics). */
const promLabel = (label: string): string => label.replaceAll('.', '_');

/** Whatever the dashboard's variable of that name holds. */
export const variable = (name: string) => `\${${name}}` as never;
