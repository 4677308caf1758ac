import { parseArgs } from 'node:util';
import type { ClusterHealthOutput } from '../../http/schemas.ts';
import { clusterOf, connect, type Options } from '../connect.ts';
import { UsageError } from '../exits.ts';
import { answer, answerJson, oneLine, type Host } from '../host.ts';

const USAGE = `aksgw [--url URL] [--cluster NAME] health [CLUSTER] [-n NAMESPACE] [--json]

One look at a cluster: what is well, what is not, and what you may not see. All reads are one pod start, each judged as you.

-n NAMESPACE   narrows the look to one namespace
--json         as the gateway says it

Exit codes: 0 when everything that was looked at is well; 1 when something is not, or was not seen; others as aksgw kubectl has them.
`;

/** `aksgw health`. Throws as the client does, and UsageError. */
export async function health(argv: readonly string[], options: Options, host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      json: { type: 'boolean' },
      namespace: { type: 'string', short: 'n' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    host.stdout.write(USAGE);
    return 0;
  }
  const [named, surplus] = positionals;
  if (surplus !== undefined) throw new UsageError(`aksgw health takes one cluster, not ${JSON.stringify(surplus)} too`);
  if (options.timeoutSeconds !== undefined) throw new UsageError('--timeout is for commands');
  const connection = await connect(options, host);
  const cluster = named ?? clusterOf(connection);
  const seen = await connection.client.health(cluster, values.namespace, host.signal);
  if (values.json || options.json) answerJson(host, seen);
  else answer(host, healthTable(seen));
  return seen.status === 'ok' ? 0 : 1;
}

const MOST_FINDINGS = 40;

/** A look as a table for a terminal. */
function healthTable({ cluster, namespace, status, at, parts, findings, more, cut }: ClusterHealthOutput): string {
  const where = namespace === null ? cluster : `${cluster}, namespace ${namespace}`;
  const shown = findings.slice(0, MOST_FINDINGS);
  const left = findings.length - shown.length + more;
  const lines = [
    oneLine(`${where}: ${status}, seen at ${at.slice(0, 16).replace('T', ' ')} UTC`),
    '',
    ...columns([
      ['PART', 'STATUS', 'SAYS'],
      ...Object.entries(parts).map(([name, part]) => [oneLine(name), oneLine(part.status), brief(part.reason)]),
    ]),
    ...(shown.length === 0
      ? []
      : [
          '',
          ...columns([
            ['SEVERITY', 'WHAT', 'WHERE', 'DETAIL'],
            ...shown.map(({ severity, what, namespace: in_, object, detail }) => [
              oneLine(severity),
              oneLine(what),
              oneLine(in_ === '' ? object : `${in_}/${object}`),
              brief(detail),
            ]),
          ]),
        ]),
    ...(left > 0 ? [`… and ${left} more`] : []),
    ...(cut ? ['The answers were too long and were cut: part of the cluster was not seen.'] : []),
  ];
  return `${lines.join('\n')}\n`;
}

const LONGEST = 100;
const brief = (text: string): string => {
  const one = oneLine(text);
  return one.length > LONGEST ? `${one.slice(0, LONGEST)}…` : one;
};

function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd((widths[column] ?? 0) + 2)))
      .join('')
      .trimEnd(),
  );
}
