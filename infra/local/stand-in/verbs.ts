import {
  at,
  count,
  isObject,
  list,
  object,
  stable,
  strings,
  text,
  type Json,
  type JsonObject,
  type KubeObject,
} from '../kubernetes/json.ts';
import type { Arguments } from './arguments.ts';
import { pathOf, ServerError, type Client, type Resource } from './client.ts';
import { printColumns, printTables, type Printed } from './print.ts';
import { printTemplate } from './template.ts';

interface Surroundings {
  readonly client: Client;
  readonly label: string;
  /** The objects of a manifest. */
  readonly read: (path: string) => unknown[];
  readonly yaml: (value: unknown) => string;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** What a command line points at: kinds with names, or without for all of them. */
interface Target {
  readonly resource: Resource;
  readonly name: string;
}

/** What the API server said of one target. */
type Answered = Printed & { readonly kind: string };

interface Format {
  readonly output: string;
  readonly accept: string;
  readonly template: string | undefined;
  /** Of `-o custom-columns=`. */
  readonly columns: string | undefined;
}

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';
const tableType = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
const merge = 'application/merge-patch+json';

const validations: Readonly<Record<string, string>> = { strict: 'Strict', warn: 'Warn', ignore: 'Ignore' };
const propagations: Readonly<Record<string, string>> = {
  background: 'Background',
  foreground: 'Foreground',
  orphan: 'Orphan',
};

/** Runs one verb; the number is the exit code. Throws ServerError and Error, whose messages are for stderr. */
export async function runVerb(given: Arguments, around: Surroundings): Promise<number> {
  const { client, out, err, label } = around;
  const { args, flags, verb } = given;
  const namespace =
    flags.has('all-namespaces') && flags.get('all-namespaces') !== 'false' ? '' : (flags.get('namespace') ?? 'default');
  const on = (name: string): boolean => flags.has(name) && flags.get(name) !== 'false';
  const query = (): string => {
    const wanted = new URLSearchParams();
    if (flags.has('selector')) wanted.set('labelSelector', flags.get('selector') ?? '');
    if (flags.has('field-selector')) wanted.set('fieldSelector', flags.get('field-selector') ?? '');
    return wanted.size > 0 ? `?${wanted.toString()}` : '';
  };

  /** Who writes, and whether the API server takes a field that it does not know: parameters of a write. */
  const writing = (): string => {
    const wanted = new URLSearchParams();
    const manager = flags.get('field-manager') ?? (on('server-side') ? 'kubectl' : undefined);
    if (manager !== undefined) wanted.set('fieldManager', manager);
    const validation = validations[flags.get('validate') ?? 'strict'];
    if (validation === undefined) throw new Error(`invalid - validate option ${flags.get('validate') ?? ''}`);
    if (verb === 'apply') wanted.set('fieldValidation', validation);
    return wanted.size > 0 ? `?${wanted.toString()}` : '';
  };

  switch (verb) {
    case 'version': {
      const server = await client.json('GET', '/version');
      if (flags.get('output') === 'json') {
        out(`${JSON.stringify({ clientVersion: { gitVersion: label }, serverVersion: server }, undefined, 2)}\n`);
        return 0;
      }
      if (flags.has('output')) throw new Error(`the ${label} does not know the output ${flags.get('output') ?? ''}`);
      out(`Client Version: ${label}\nServer Version: ${text(server['gitVersion'])}\n`);
      return 0;
    }
    case 'get':
      return get();
    case 'describe':
      for (const target of await targets(client, args)) await describe(target);
      return 0;
    case 'exec': {
      const [pod = '', ...words] = args;
      const wanted = new URLSearchParams({ container: flags.get('container') ?? '', stdout: 'true', stderr: 'true' });
      for (const word of words) wanted.append('command', word);
      const [target] = await targets(client, [pod.includes('/') ? pod : `pods.v1./${pod}`]);
      if (target?.resource.name !== 'pods') throw new Error(`the ${label} runs commands in pods alone`);
      const path = pathOf(target.resource, namespace, target.name);
      return client.exec(`${path}/exec?${wanted.toString()}`, { out, err });
    }
    case 'logs':
      return logs();
    case 'apply':
      return forEachManifest(apply);
    case 'delete':
      return remove();
    case 'scale': {
      const replicas = Number(flags.get('replicas'));
      if (!Number.isInteger(replicas) || replicas < 0)
        throw new Error('The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0');
      for (const { resource, name } of await targets(client, args)) {
        await client.json('PATCH', `${pathOf(resource, namespace, name)}/scale`, {
          type: merge,
          body: { spec: { replicas } },
        });
        out(`${title(resource)}/${name} scaled\n`);
      }
      return 0;
    }
    case 'rollout restart':
      for (const { resource, name } of await named(await targets(client, args))) {
        const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() };
        const body = { spec: { template: { metadata: { annotations } } } };
        await client.json('PATCH', `${pathOf(resource, namespace, name)}${writing()}`, { type: merge, body });
        out(`${title(resource)}/${name} restarted\n`);
      }
      return 0;
    case 'rollout status':
      for (const { resource, name } of await named(await targets(client, args))) await rolledOut(resource, name);
      return 0;
    default:
      throw new Error(`the ${label} does not know "${verb}"; install kubectl to use it`);
  }

  /** Targets without a name become one for each object there is. */
  async function named(wanted: readonly Target[]): Promise<Target[]> {
    const found = await Promise.all(
      wanted.map(async (target) => {
        if (target.name !== '') return [target];
        const objects = await client.json('GET', `${pathOf(target.resource, namespace)}${query()}`);
        return list(objects['items']).map((item) => ({ ...target, name: text(at(item, 'metadata', 'name')) }));
      }),
    );
    return found.flat();
  }

  async function get(): Promise<number> {
    const output = flags.get('output') ?? '';
    if (flags.has('raw')) {
      out(await client.request('GET', flags.get('raw') ?? '', { accept: '*/*' }));
      return 0;
    }
    const template = /^go-template=(.*)$/s.exec(output)?.[1];
    const columns = /^custom-columns=(.*)$/s.exec(output)?.[1];
    if (template === undefined && columns === undefined && !['', 'wide', 'json', 'yaml', 'name'].includes(output))
      throw new Error(`the ${label} does not know the output ${output}`);
    const wanted = await targets(client, args);
    const accept = output === '' || output === 'wide' ? tableType : 'application/json';
    const answers: Answered[] = [];
    const failures: ServerError[] = [];
    for (const { resource, name } of wanted)
      try {
        answers.push({
          title: title(resource),
          kind: resource.kind,
          body: await client.json('GET', `${pathOf(resource, namespace, name)}${name === '' ? query() : ''}`, {
            accept,
          }),
        });
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
        if (!(on('ignore-not-found') && error.status === 404)) failures.push(error);
      }
    // Of several kinds kubectl prints those that it got, and then what went wrong with the others.
    if (answers.length > 0 || failures.length === 0) print(wanted, answers, { output, accept, template, columns });
    for (const { message } of failures) err(`${message}\n`);
    return failures.length > 0 ? 1 : 0;
  }

  function print(
    wanted: readonly Target[],
    answers: readonly Answered[],
    { output, accept, template, columns }: Format,
  ): void {
    if (accept === tableType) {
      const printed = printTables(answers, {
        wide: output === 'wide',
        namespaces: namespace === '',
        headers: !on('no-headers'),
      });
      if (printed === '' && !on('ignore-not-found'))
        err(`No resources found${namespace === '' ? '' : ` in ${namespace} namespace`}.\n`);
      else out(printed);
      return;
    }
    const lists = wanted.some(({ name }) => name === '') || answers.length > 1;
    const items = answers.flatMap(({ body, title, kind }) =>
      'items' in body ? list(body['items']).map((item) => ({ item, title, kind })) : [{ item: body, title, kind }],
    );
    if (output === 'name') {
      for (const { item, title } of items) out(`${title}/${text(at(item, 'metadata', 'name'))}\n`);
      return;
    }
    if (columns !== undefined) {
      const objects = items.map(({ item }) => item);
      out(printColumns(columns, objects, { headers: !on('no-headers') }));
      return;
    }
    if (template !== undefined) {
      const whole = items.map(({ item, kind }) => (isObject(item) ? { kind, ...item } : item));
      out(printTemplate(template, lists ? { items: whole } : (whole[0] ?? {})));
      return;
    }
    if (items.length === 0 && !lists) return;
    const whole: Json = lists
      ? { apiVersion: 'v1', items: items.map(({ item }) => item), kind: 'List', metadata: { resourceVersion: '' } }
      : (items[0]?.item ?? {});
    const ordered: unknown = JSON.parse(stable(whole));
    out(output === 'json' ? `${JSON.stringify(ordered, undefined, 4)}\n` : around.yaml(ordered));
  }

  async function describe({ resource, name }: Target): Promise<void> {
    for (const each of await named([{ resource, name }])) {
      const body = await client.json('GET', pathOf(resource, namespace, each.name));
      const metadata = object(body['metadata']);
      const pairs = (value: Json | undefined) =>
        Object.entries(strings(value))
          .map(([key, entry]) => `${key}=${entry}`)
          .join('\n              ') || '<none>';
      out(
        `Name:         ${each.name}\nNamespace:    ${text(metadata['namespace'])}\nLabels:       ${pairs(metadata['labels'])}\nAnnotations:  ${pairs(metadata['annotations'])}\n`,
      );
      for (const part of ['spec', 'status', 'data', 'type']) {
        // As kubectl does it: a secret's values are counted, not shown.
        const value = resource.name === 'secrets' && part === 'data' ? lengths(body[part]) : body[part];
        if (value !== undefined) out(`${part.charAt(0).toUpperCase()}${part.slice(1)}:\n${indent(around.yaml(value))}`);
      }
      const about = new URLSearchParams({ fieldSelector: `involvedObject.name=${each.name}` });
      const events = await client.json('GET', `/api/v1/namespaces/${namespace}/events?${about.toString()}`, {
        accept: tableType,
      });
      const printed = printTables([{ title: 'event', body: events }], {
        wide: false,
        namespaces: false,
        headers: true,
      });
      out(`Events:${printed === '' ? '       <none>\n' : `\n${indent(printed)}`}\n`);
    }
  }

  async function logs(): Promise<number> {
    const pods = await client.resource('pods.v1.');
    const wanted = new URLSearchParams();
    for (const [flag, parameter] of [
      ['container', 'container'],
      ['tail', 'tailLines'],
      ['since-seconds', 'sinceSeconds'],
    ] as const)
      if (flags.has(flag) && flags.get(flag) !== '-1') wanted.set(parameter, flags.get(flag) ?? '');
    if (on('timestamps')) wanted.set('timestamps', 'true');
    for (const pod of await podsToLog(pods))
      out(await client.request('GET', `${pathOf(pods, namespace, pod)}/log?${wanted.toString()}`, { accept: '*/*' }));
    return 0;
  }

  async function podsToLog(pods: Resource): Promise<string[]> {
    const listed = async (selector: string) =>
      list(
        (
          await client.json(
            'GET',
            `${pathOf(pods, namespace)}?${new URLSearchParams({ labelSelector: selector }).toString()}`,
          )
        )['items'],
      ).map((pod) => text(at(pod, 'metadata', 'name')));
    const [first = ''] = args;
    if (first === '') return listed(flags.get('selector') ?? '');
    const [target] = await targets(client, first.includes('/') ? [first] : ['pods.v1.', first]);
    if (!target || target.resource.name === 'pods') return target ? [target.name] : [];
    const owner = await client.json('GET', pathOf(target.resource, namespace, target.name));
    const selector = Object.entries(strings(at(owner, 'spec', 'selector', 'matchLabels'))).map(
      ([key, value]) => `${key}=${value}`,
    );
    const found = await listed(selector.join(','));
    if (found.length > 1) err(`Found ${found.length} pods, using pod/${found[0] ?? ''}\n`);
    return found.slice(0, 1);
  }

  async function forEachManifest(act: (manifest: KubeObject, resource: Resource) => Promise<void>): Promise<number> {
    let failed = false;
    for (const path of (flags.get('filename') ?? '').split(','))
      for (const manifest of around.read(path) as Json[]) {
        if (manifest === null) continue;
        if (!isObject(manifest) || !isObject(manifest['metadata']))
          throw new Error(`${path} holds what is no Kubernetes object`);
        const whole = manifest as KubeObject;
        try {
          await act(whole, await client.kindOf(whole));
        } catch (error) {
          if (!(error instanceof ServerError)) throw error;
          failed = true;
          err(`${error.message}\n`);
        }
      }
    return failed ? 1 : 0;
  }

  async function apply(manifest: KubeObject, resource: Resource): Promise<void> {
    const { name } = manifest.metadata;
    const where = manifest.metadata.namespace ?? namespace;
    const path = pathOf(resource, where, name);
    if (on('server-side')) {
      await client.json('PATCH', `${path}${writing()}`, {
        type: 'application/apply-patch+yaml',
        body: manifest,
      });
      out(`${title(resource)}/${name} serverside-applied\n`);
      return;
    }
    const marked: KubeObject = {
      ...manifest,
      metadata: {
        ...manifest.metadata,
        annotations: { ...manifest.metadata.annotations, [lastApplied]: `${stable(manifest)}\n` },
      },
    };
    let current: JsonObject;
    try {
      current = await client.json('GET', path);
    } catch (error) {
      if (!(error instanceof ServerError && error.status === 404)) throw error;
      await client.json('POST', `${pathOf(resource, where)}${writing()}`, { body: marked });
      out(`${title(resource)}/${name} created\n`);
      return;
    }
    const before = text(strings(at(current, 'metadata', 'annotations'))[lastApplied]);
    const previous: Json = before === '' ? {} : (JSON.parse(before) as Json);
    const patched = await client.json('PATCH', `${path}${writing()}`, {
      type: merge,
      body: overlay(removed(previous, manifest), marked),
    });
    const same = at(patched, 'metadata', 'resourceVersion') === at(current, 'metadata', 'resourceVersion');
    out(`${title(resource)}/${name} ${same ? 'unchanged' : 'configured'}\n`);
  }

  async function remove(): Promise<number> {
    const propagationPolicy = propagations[flags.get('cascade') ?? 'background'];
    if (propagationPolicy === undefined)
      throw new Error(
        `invalid cascade value (${flags.get('cascade') ?? ''}). Must be "background", "foreground", or "orphan"`,
      );
    const one = async (resource: Resource, where: string, name: string): Promise<void> => {
      try {
        await client.json('DELETE', pathOf(resource, where, name), { body: { propagationPolicy } });
      } catch (error) {
        if (on('ignore-not-found') && error instanceof ServerError && error.status === 404) return;
        throw error;
      }
      out(`${title(resource)} "${name}" deleted\n`);
    };
    if (flags.has('filename'))
      return forEachManifest((manifest, resource) =>
        one(resource, manifest.metadata.namespace ?? namespace, manifest.metadata.name),
      );
    const wanted = await targets(client, args);
    if (wanted.some(({ name }) => name === '') && !flags.has('selector'))
      throw new Error('resource(s) were provided, but no name was specified');
    for (const { resource, name } of await named(wanted)) await one(resource, namespace, name);
    return 0;
  }

  async function rolledOut(resource: Resource, name: string): Promise<void> {
    const seconds = /^(\d+)(s|m)$/.exec(flags.get('timeout') ?? '5m');
    if (!seconds) throw new Error(`the ${label} does not know the time-out ${flags.get('timeout') ?? ''}`);
    const until = performance.now() + Number(seconds[1]) * (seconds[2] === 'm' ? 60_000 : 1000);
    for (;;) {
      const body = await client.json('GET', pathOf(resource, namespace, name));
      const wanted = count(at(body, 'spec', 'replicas'), count(at(body, 'status', 'desiredNumberScheduled')));
      const ready = count(at(body, 'status', 'readyReplicas'), count(at(body, 'status', 'numberReady')));
      const seen = count(at(body, 'status', 'observedGeneration')) >= count(at(body, 'metadata', 'generation'));
      if (seen && ready >= wanted) break;
      if (performance.now() > until) throw new Error('timed out waiting for the condition');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    out(`${resource.singular} "${name}" successfully rolled out\n`);
  }
}

/** `deploy/web`, `pod x y`, `pods,svc`. */
async function targets(client: Client, args: readonly string[]): Promise<Target[]> {
  const [first, ...names] = args;
  if (first === undefined) throw new Error('You must specify the type of resource.');
  if (first.includes('/'))
    return Promise.all(
      args.map(async (word) => {
        const [spelling = '', name = ''] = word.split('/');
        return { resource: await client.resource(spelling), name };
      }),
    );
  const resources = await Promise.all(first.split(',').map((spelling) => client.resource(spelling)));
  return resources.flatMap((resource) =>
    names.length > 0 ? names.map((name) => ({ resource, name })) : [{ resource, name: '' }],
  );
}

/** `deployment.apps`, as kubectl prints it. */
const title = ({ singular, group }: Resource): string => (group === '' ? singular : `${singular}.${group}`);

const indent = (block: string): string => block.replace(/^(?=.)/gm, '  ');

const lengths = (data: Json | undefined): JsonObject =>
  Object.fromEntries(
    Object.entries(strings(data)).map(([key, value]) => [key, `${Buffer.from(value, 'base64').length} bytes`]),
  );

/** What was applied before and is not asked for any more, as a merge patch of nulls. */
function removed(previous: Json | undefined, wanted: Json | undefined): JsonObject {
  if (!isObject(previous) || !isObject(wanted)) return {};
  const entries = Object.keys(previous).flatMap((key): [string, Json][] => {
    if (!(key in wanted)) return [[key, null]];
    const below = removed(previous[key], wanted[key]);
    return Object.keys(below).length > 0 ? [[key, below]] : [];
  });
  return Object.fromEntries(entries);
}

function overlay(below: JsonObject, above: JsonObject): JsonObject {
  const result: JsonObject = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const under = result[key];
    result[key] = isObject(under) && isObject(value) ? overlay(under, value) : value;
  }
  return result;
}
