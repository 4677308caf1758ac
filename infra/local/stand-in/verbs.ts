import { text } from '../kubernetes/json.ts';
import { pathOf } from './client.ts';
import { contextOf, MERGE, type Surroundings, type VerbContext } from './verb-context.ts';
import { targets, named, title } from './targets.ts';
import { forEachManifest } from './verbs/manifests.ts';
import type { Arguments } from './arguments.ts';
import { get } from './verbs/get.ts';
import { describe } from './verbs/describe.ts';
import { logs } from './verbs/logs.ts';
import { apply } from './verbs/apply.ts';
import { remove } from './verbs/delete.ts';
import { restart, rolledOut } from './verbs/rollout.ts';

/** Runs one verb; the number is the exit code. Throws ServerError and Error, whose messages are for stderr. */
export async function runVerb(given: Arguments, around: Surroundings): Promise<number> {
  const context = contextOf(given, around);
  const { client, args, label, verb } = context;
  switch (verb) {
    case 'version':
      return version(context);
    case 'get':
      return get(context);
    case 'describe':
      for (const target of await targets(client, args)) await describe(context, target);
      return 0;
    case 'exec':
      return exec(context);
    case 'logs':
      return logs(context);
    case 'apply':
      return forEachManifest(context, (manifest, resource) => apply(context, manifest, resource));
    case 'delete':
      return remove(context);
    case 'scale':
      return scale(context);
    case 'rollout restart':
      for (const target of await named(context, await targets(client, args))) await restart(context, target);
      return 0;
    case 'rollout status':
      for (const target of await named(context, await targets(client, args))) await rolledOut(context, target);
      return 0;
    default:
      throw new Error(`the ${label} does not know "${verb}"; install kubectl to use it`);
  }
}

async function version({ client, flags, label, out }: VerbContext): Promise<number> {
  const server = await client.json('GET', '/version');
  if (flags.get('output') === 'json') {
    out(`${JSON.stringify({ clientVersion: { gitVersion: label }, serverVersion: server }, undefined, 2)}\n`);
    return 0;
  }
  if (flags.has('output')) throw new Error(`the ${label} does not know the output ${flags.get('output') ?? ''}`);
  out(`Client Version: ${label}\nServer Version: ${text(server['gitVersion'])}\n`);
  return 0;
}

async function exec({ client, args, flags, label, namespace, out, err }: VerbContext): Promise<number> {
  const [pod = '', ...words] = args;
  const wanted = new URLSearchParams({ container: flags.get('container') ?? '', stdout: 'true', stderr: 'true' });
  for (const word of words) wanted.append('command', word);
  const [target] = await targets(client, [pod.includes('/') ? pod : `pods.v1./${pod}`]);
  if (target?.resource.name !== 'pods') throw new Error(`the ${label} runs commands in pods alone`);
  const path = pathOf(target.resource, namespace, target.name);
  return client.exec(`${path}/exec?${wanted.toString()}`, { out, err });
}

async function scale({ client, args, flags, namespace, out }: VerbContext): Promise<number> {
  const replicas = Number(flags.get('replicas'));
  if (!Number.isInteger(replicas) || replicas < 0)
    throw new Error('The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0');
  for (const { resource, name } of await targets(client, args)) {
    const path = `${pathOf(resource, namespace, name)}/scale`;
    await client.json('PATCH', path, { type: MERGE, body: { spec: { replicas } } });
    out(`${title(resource)}/${name} scaled\n`);
  }
  return 0;
}
