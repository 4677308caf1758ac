import { parseArgs } from 'node:util';
import type { Cluster, Config } from '../../../config/config.ts';
import { Problem } from '../../../errors.ts';
import {
  ALL_NAMESPACES,
  describeAttributes,
  urlAttributes,
  type ResourceAttributes,
} from '../../../kubernetes/attributes.ts';
import { isBuiltIn, isOthersGroup, readResource, resourceVerbs } from '../../../kubernetes/known-kinds.ts';
import { virtualResources } from '../../../kubernetes/resource-table.ts';
import { wellKnownCustomResources } from '../../../kubernetes/well-known-custom-resources.ts';
import { catalogOf, type ResourceType } from '../../../kubernetes/resources.ts';
import { didYouMean } from '../../../lib/suggest.ts';
import { nameSubject } from '../../../policy/subject.ts';
import { frozenFor } from '../../../policy/frozen.ts';
import { compilePolicy } from '../../../policy/policy.ts';
import { whoCan } from '../../../policy/who-can.ts';
import type { Host } from '../../host.ts';
import { lacking, readPolicyConfig } from '../config.ts';
import { DISCOVERED_USAGE, discoveredOption, unknownKinds, withDiscovered } from './discovered.ts';

const USAGE = `aksgw policy who-can VERB (RESOURCE[/SUBRESOURCE] [NAME] [-n NAMESPACE | -A] | /PATH) --cluster CLUSTER [--config gateway.yaml]
                     [--discovered FILE | URL]… [--json]

Lists each subject of a binding that may do it, by which rule and on which condition, and each that a deny stops. Somebody who is several of
them may do what any of them may, unless one of them is denied.
${DISCOVERED_USAGE}`;

/** `aksgw policy who-can`. */
export async function whoCanDo(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      cluster: { type: 'string' },
      namespace: { type: 'string', short: 'n' },
      'all-namespaces': { type: 'boolean', short: 'A' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
      ...discoveredOption,
    },
  });
  const given = values.help ? undefined : readPolicyConfig(values.config, host);
  const [verb, resource, name = '', ...more] = positionals;
  if (verb === undefined || resource === undefined || more.length > 0 || values.cluster === undefined || !given) {
    host.stderr.write(values.help ? USAGE : lacking(given) + USAGE);
    return values.help ? 0 : 2;
  }
  const { cluster } = values;
  const [config = given] = await withDiscovered([given], values.discovered, host);
  const where = values['all-namespaces'] ? ALL_NAMESPACES : values.namespace;
  const asked = readAsked(config, { cluster, verb, resource, name, where });
  const { blocked = [] } = config.policy;
  const holders = whoCan(compilePolicy(config), config, cluster, asked);
  const frozen = frozenFor(config.clusters.get(cluster), [asked]);
  if (values.json) {
    const answer = holders.map(({ subject, ...rest }) => ({ subject: nameSubject(subject, config), ...rest }));
    host.stdout.write(`${JSON.stringify({ asked, frozen, holders: answer }, null, 2)}\n`);
  } else {
    const lines = holders.map(
      ({ subject, verdict, rule = '', explanation }) =>
        `${verdict === 'allow' ? 'may ' : 'not '} ${nameSubject(subject, config).padEnd(44)} ${rule.padEnd(24)} ${explanation ?? ''}`,
    );
    const stopped = blocked.length === 0 ? [] : [`${blocked.length} blocked principals may do nothing at all`];
    const head = `${describeAttributes(asked)} on ${cluster}`;
    const nobody = frozen === undefined ? [] : [`${frozen}. Until that ends nobody may`];
    const open = isOthersGroup(asked.group) ? unknownKinds(config, ({ name: one }) => one === cluster) : [];
    host.stdout.write(`${[head, ...nobody, ...lines, ...stopped, ...open].map((line) => line.trimEnd()).join('\n')}\n`);
  }
  return frozen === undefined && holders.some(({ verdict }) => verdict === 'allow') ? 0 : 1;
}

interface Words {
  readonly cluster: string;
  readonly verb: string;
  readonly resource: string;
  readonly name: string;
  readonly where: string | undefined;
}

/** Short names, kinds and singulars as kubectl takes them. Throws Error for what could never be asked. */
function readAsked(config: Config, { cluster: clusterName, verb, resource, name, where }: Words): ResourceAttributes {
  const cluster = config.clusters.get(clusterName);
  if (!cluster)
    throw new Error(`no cluster is called "${clusterName}".${didYouMean(clusterName, config.clusters.keys())}`);
  if (!(resourceVerbs as readonly string[]).includes(verb))
    throw new Error(`no verb is called "${verb}".${didYouMean(verb, resourceVerbs)}`);
  if (resource.startsWith('/')) return urlAttributes(verb, resource);
  const [word = '', subresource = ''] = resource.split('/');
  const names = new Set([
    ...wellKnownCustomResources.keys(),
    ...[...cluster.resources, ...(cluster.discovered?.resources ?? [])].map((one) => `${one.resource}.${one.group}`),
  ]);
  const unknown = unknownKinds(config, (one) => one === cluster);
  const reading = readResource(resource, { names, discovered: unknown.length > 0 });
  if ('pattern' in reading && reading.pattern.resource !== '*') {
    const { resource: plural, group } = reading.pattern;
    const namespaced = isNamespaced(word, group, names.has(word), cluster);
    return { verb, group, resource: plural, subresource, name, namespace: namespaced ? place(where, cluster) : '' };
  }
  const type = resolved(word, cluster, unknown);
  if (subresource !== '' && !type.subresources.includes(subresource))
    throw new Error(`"${resource}" is not a resource`);
  const namespace = type.namespaced ? place(where, cluster) : '';
  return { verb, group: type.group, resource: type.resource, subresource, name, namespace };
}

function resolved(word: string, { resources, discovered }: Cluster, unknown: readonly string[]): ResourceType {
  try {
    return catalogOf(resources, discovered).resolve(word);
  } catch (error) {
    if (!(error instanceof Problem) || unknown.length === 0) throw error;
    throw new Error(`${error.message}\n${unknown.join('').trimEnd()}`, { cause: error });
  }
}

/** What only the cluster's own definitions hold, and those are not known, is taken as being in a namespace, since most custom resources are. */
function isNamespaced(word: string, group: string, isNamed: boolean, { resources, discovered }: Cluster): boolean {
  if (virtualResources.includes(word)) return word === 'releases.helm.sh';
  if (!isNamed && !isBuiltIn(word) && isOthersGroup(group)) return true;
  return catalogOf(resources, discovered).resolve(word).namespaced;
}

const place = (where: string | undefined, { defaultNamespace }: { readonly defaultNamespace: string }): string =>
  where ?? defaultNamespace;
