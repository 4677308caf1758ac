import type { ClusterDetailOutput, ExplainBatchOutput, ExplainOutput } from '../../http/schemas.ts';
import { clusterOf, connect, type Options } from '../connect.ts';
import { UsageError } from '../exits.ts';
import { answer, answerJson, oneLine, type Host } from '../host.ts';
import { pairs, table } from '../table.ts';
import { commandOf } from './relay.ts';

/** `aksgw clusters [NAME]`: those that the caller may see, or one with the custom resources that are known there. Throws UsageError. */
export async function clusters(words: readonly string[], options: Options, host: Host): Promise<number> {
  const [name, surplus] = words;
  if (surplus !== undefined) throw new UsageError(`takes one cluster, not ${JSON.stringify(surplus)} too`);
  const { client, cluster } = await connect(options, host);
  if (name !== undefined) {
    const found = await client.getCluster(name, host.signal);
    return options.json ? answerJson(host, found) : answer(host, clusterTable(found));
  }
  const items = await client.listClusters(host.signal);
  if (options.json) return answerJson(host, items);
  const rows = items.map((one) => [
    one.name === cluster ? '*' : '',
    one.name,
    one.runAs,
    one.defaultNamespace,
    one.frozen ?? '',
  ]);
  return answer(host, table(['CURRENT', 'NAME', 'RUN-AS', 'NAMESPACE', 'FROZEN'], rows));
}

function clusterTable({ name, runAs, defaultNamespace, frozen, resources, tools }: ClusterDetailOutput): string {
  const { listed, discovered } = resources;
  const head = [
    ['cluster', name],
    ['run as', runAs],
    ['namespace', defaultNamespace],
    ['frozen', frozen ?? 'no'],
    ['kubectl', tools.kubectl ?? 'not seen yet'],
    ['helm', tools.helm ?? 'not seen yet'],
    ...(discovered ? [['read', `${discovered.at}${discovered.truncated ? ', not all of it' : ''}`]] : []),
    ...(discovered?.disputed ?? []).map((disputed) => ['disputed', disputed]),
  ];
  const rows = [
    ...listed.map((one) => [one, 'configuration'] as const),
    ...(discovered?.items ?? []).map((one) => [one, 'cluster'] as const),
  ].map(([one, by]) => [one.name, one.kind, one.namespaced ? 'yes' : 'no', one.shortNames.join(','), by]);
  const kinds =
    rows.length === 0 ? '' : `\n${table(['CUSTOM RESOURCE', 'KIND', 'NAMESPACED', 'SHORT NAMES', 'BY'], rows)}`;
  return pairs(head) + kinds;
}

/** `aksgw whoami`: the caller as the gateway sees it, and by which sign-in. */
export async function whoAmI(options: Options, host: Host): Promise<number> {
  const { client, url, context } = await connect(options, host);
  const found = await client.whoAmI(host.signal);
  if (options.json) return answerJson(host, found);
  const { principal, roles, unknown } = found;
  const { method, application } = context?.signIn ?? {};
  const lines = [
    ['gateway', url],
    ['sign-in', host.env['AKSGW_TOKEN'] ? 'AKSGW_TOKEN' : `${method} for application ${application}`],
    [principal.kind, `${principal.oid} of tenant ${principal.tid}`],
    ['app roles', principal.appRoles.join(', ')],
    ['groups', principal.groups.join(', ')],
    ...roles.map(({ cluster, roles: names }) => [`on ${cluster}`, names.join(', ')]),
    ...unknown.map((text) => ['not known', text]),
  ];
  return answer(host, pairs(lines));
}

/** `aksgw access`: the rules that bind the caller on a cluster, as `kubectl auth can-i --list` has them. */
export async function access(options: Options, host: Host): Promise<number> {
  const connection = await connect(options, host);
  const found = await connection.client.access(clusterOf(connection), host.signal);
  if (options.json) return answerJson(host, found);
  const rows = found.items.map((rule) => [
    rule.effect,
    rule.verbs.join(','),
    [...rule.resources, ...rule.nonResourceURLs].join(',') +
      (rule.except.length > 0 ? ` but ${rule.except.join(',')}` : ''),
    rule.namespaces.join(','),
    rule.names.join(','),
    rule.role,
  ]);
  const warnings = found.warnings.map((warning) => `warning: ${oneLine(warning)}\n`).join('');
  return answer(host, `${table(['EFFECT', 'VERBS', 'RESOURCES', 'NAMESPACES', 'NAMES', 'ROLE'], rows)}${warnings}`);
}

/** `aksgw explain kubectl …`: what it would be, and whether the caller may. Ends with 1 where not. */
export async function explain(argv: readonly string[], options: Options, host: Host): Promise<number> {
  if (argv.length === 0) throw new UsageError('explain what? aksgw explain kubectl|helm …');
  const connection = await connect(options, host);
  const { reason, client } = connection;
  const body = { ...(await commandOf(argv, host)), ...(reason !== undefined && { reason }) };
  const found = (await client.explain(clusterOf(connection), body, host.signal)) as ExplainOutput | ExplainBatchOutput;
  if (options.json || 'steps' in found) answerJson(host, found);
  else {
    const { decision, rules, command, files, warnings } = found;
    const rows = rules.map(({ attributes: a, allowed, rule, role }) => [
      allowed ? 'yes' : 'no',
      a.verb,
      `${a.resource}${a.group === '' ? '' : `.${a.group}`}${a.subresource === '' ? '' : `/${a.subresource}`}`,
      a.namespace,
      a.name,
      role === null ? '' : `${role} ${rule ?? ''}`,
    ]);
    answer(
      host,
      `${oneLine(decision.verdict)}: ${oneLine(decision.explanation)}\n\n${table(['ALLOWED', 'VERB', 'RESOURCE', 'NAMESPACE', 'NAME', 'RULE'], rows)}` +
        `\nwould run: ${oneLine(command)}\n${files.map(({ path, bytes }) => `file: ${oneLine(path)} (${bytes} bytes)\n`).join('')}` +
        warnings.map((warning) => `warning: ${oneLine(warning)}\n`).join(''),
    );
  }
  return found.allowed ? 0 : 1;
}
