import { parseArgs } from 'node:util';
import { interpret } from '../../../command/interpret.ts';
import { quoteWords } from '../../../command/quote.ts';
import type { Config } from '../../../config/config.ts';
import { ruleName } from '../../../config/rule-reference.ts';
import { readGuid } from '../../../config/values.ts';
import { Problem } from '../../../errors.ts';
import { jobPrincipal, type Principal } from '../../../identity/principal.ts';
import { describeAttributes } from '../../../kubernetes/attributes.ts';
import { printable } from '../../../lib/safe-text.ts';
import { explain, type AttributeVerdict } from '../../../policy/decide.ts';
import { judge } from '../../../policy/judge.ts';
import { frozenFor } from '../../../policy/frozen.ts';
import { compilePolicy } from '../../../policy/policy.ts';
import type { Host } from '../../host.ts';
import { collectUploads } from '../../uploads/collect.ts';
import { lacking, readPolicyConfig } from '../config.ts';
import { DISCOVERED_USAGE, discoveredOption, unknownKinds, withDiscovered } from './discovered.ts';

const USAGE = `aksgw policy explain --cluster CLUSTER (--user ID | --app ID | --job NAME) [--tenant ID] [--group ID]… [--app-role ROLE]…
                     [--groups-unknown] [--requester ID [--requester-group ID]… [--requester-app-role ROLE]…] [--reason TEXT]
                     [--config gateway.yaml] [--discovered FILE | URL]… -- kubectl … | helm …

What the gateway would decide about a command of this caller, attribute by attribute, and what it would send. Reaches nothing; files
that the command names are read from the working folder. --groups-unknown is a caller whose token leaves its groups out, as Entra does for
users in more than 200. --requester is the person behind the caller, whose rights count too. Exits 1 when it is denied, 2 when it is refused.
${DISCOVERED_USAGE}`;

/** `aksgw policy explain`. */
export async function explainOffline(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      cluster: { type: 'string' },
      user: { type: 'string' },
      app: { type: 'string' },
      job: { type: 'string' },
      tenant: { type: 'string' },
      group: { type: 'string', multiple: true },
      'app-role': { type: 'string', multiple: true },
      'groups-unknown': { type: 'boolean' },
      requester: { type: 'string' },
      'requester-group': { type: 'string', multiple: true },
      'requester-app-role': { type: 'string', multiple: true },
      reason: { type: 'string' },
      help: { type: 'boolean' },
      ...discoveredOption,
    },
  });
  const given = values.help ? undefined : readPolicyConfig(values.config, host);
  const callers = [values.user, values.app, values.job].filter((one) => one !== undefined);
  if (values.cluster === undefined || callers.length !== 1 || positionals.length === 0 || !given) {
    host.stderr.write(values.help ? USAGE : lacking(given) + USAGE);
    return values.help ? 0 : 2;
  }
  const [config = given] = await withDiscovered([given], values.discovered, host);
  const cluster = config.clusters.get(values.cluster);
  if (!cluster) throw new Error(`the configuration has no cluster ${JSON.stringify(values.cluster)}`);
  const principal = readPrincipal(config, values);
  const requester = readRequester(config, values);
  const { files } = collectUploads(positionals, host.cwd());
  try {
    const policy = compilePolicy(config);
    const understood = interpret(
      {
        argv: positionals,
        files: files.map(({ path, contentBase64 }) => ({ path, bytes: Buffer.from(contentBase64, 'base64') })),
        timeoutSeconds: config.limits.timeoutSeconds.default,
      },
      cluster,
    );
    const { reason } = values;
    const { invocation, decision, sent } = judge(policy, understood, { principal, requester, cluster, reason });
    const { attributes, podSecurity, charts } = invocation;
    const isTheirs = decision.verdict === 'deny' && decision.whose === 'requester';
    const whose = (isTheirs && requester) || principal;
    const asked = {
      principal: whose,
      caller: principal,
      requester,
      cluster: cluster.name,
      reason,
      attributes,
      podSecurity,
      charts,
    };
    const verdicts = explain(policy, asked).attributes;
    const why = decision.verdict === 'allow' ? `by ${ruleName(decision.rule)}` : decision.explanation;
    const frozen = decision.verdict === 'allow' ? frozenFor(cluster, attributes) : undefined;
    const lines = [
      frozen === undefined ? `${decision.verdict}: ${why}` : `refuse: ${frozen}. Without that: allow, ${why}`,
      ...verdicts.map(lineOf),
      `sent: ${quoteWords(sent.words)}`,
      ...invocation.warnings.map((warning) => `note: ${warning}`),
    ];
    host.stdout.write(printable(`${lines.join('\n')}\n`));
    if (frozen !== undefined) return 2;
    return decision.verdict === 'allow' ? 0 : 1;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    host.stdout.write(printable(`refuse: ${error.message}\n`));
    for (const note of unknownKinds(config, (one) => one === cluster)) host.stdout.write(note);
    return 2;
  }
}

function lineOf(one: AttributeVerdict): string {
  const rule = one.rule ? ` by ${ruleName(one.rule)}` : '';
  return `  ${one.verdict.padEnd(5)} ${describeAttributes(one.attributes)}${rule}`;
}

interface Caller {
  readonly user?: string | undefined;
  readonly app?: string | undefined;
  readonly job?: string | undefined;
  readonly tenant?: string | undefined;
  readonly group?: readonly string[] | undefined;
  readonly 'app-role'?: readonly string[] | undefined;
  readonly 'groups-unknown'?: boolean | undefined;
}

function readPrincipal({ identity }: Config, caller: Caller): Principal {
  if (caller.job !== undefined) return jobPrincipal(caller.job);
  const [only, ...others] = identity.tenants;
  if (caller.tenant === undefined && others.length > 0)
    throw new Error('--tenant is needed: the gateway serves several');
  const unknown = caller['groups-unknown'] ?? false;
  if (unknown && caller.group) throw new Error('--group says what --groups-unknown says is not known');
  const token = {
    tid: guid('--tenant', caller.tenant ?? only ?? ''),
    azp: '',
    uti: '',
    roles: [...(caller['app-role'] ?? [])],
    groups: { known: !unknown, ids: (caller.group ?? []).map((id) => guid('--group', id)) },
  };
  return caller.app === undefined
    ? { ...token, kind: 'user', oid: guid('--user', caller.user ?? ''), scopes: identity.scopes }
    : { ...token, kind: 'app', oid: guid('--app', caller.app) };
}

/** The person behind the caller, if there is one: of the same tenant. */
function readRequester(
  config: Config,
  values: {
    readonly tenant?: string | undefined;
    readonly requester?: string | undefined;
    readonly 'requester-group'?: readonly string[] | undefined;
    readonly 'requester-app-role'?: readonly string[] | undefined;
  },
): Principal | undefined {
  const { tenant, requester: user, 'requester-group': group, 'requester-app-role': roles } = values;
  if (user === undefined && (group ?? roles) !== undefined)
    throw new Error('--requester is needed: the groups and app roles are of that person');
  return user === undefined ? undefined : readPrincipal(config, { user, tenant, group, 'app-role': roles });
}

function guid(flag: string, text: string): string {
  const reading = readGuid(text);
  if (!reading.ok) throw new Error(`${flag}: ${reading.problem}`);
  return reading.value;
}
