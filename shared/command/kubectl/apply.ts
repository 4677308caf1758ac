import { refuse } from '../refuse.ts';
import { deletion } from './delete.ts';
import { dryRun, fieldManager, fileInput, globalFlags, printing, printsObject, refused, sent } from './flags.ts';
import { subresource } from './get.ts';
import { needsOfWriting } from './objects.ts';
import { readTargets } from './targets.ts';
import type { Verb } from './verb.ts';

const PRUNE = 'pruning deletes what no file names, so nobody can judge it; delete by name';

export const apply: Verb = {
  flags: {
    ...globalFlags,
    ...printing,
    ...fileInput,
    ...dryRun,
    ...fieldManager,
    ...deletion,
    all: refused(PRUNE),
    prune: refused(PRUNE),
    'prune-allowlist': refused(PRUNE),
    'force-conflicts': sent,
    'openapi-patch': sent,
    overwrite: sent,
    selector: sent,
    'server-side': sent,
    subresource,
    validate: sent,
  },
  means: (call) => {
    if (call.flags('filename').length === 0) throw refuse('apply', 'needs -f with files of the request or stdin');
    const targets = readTargets(call, { query: 'none' });
    if (targets.kind !== 'named' || targets.objects === undefined) throw refuse('apply', 'needs -f');
    const verbs = call.on('server-side') ? ['patch', 'create'] : ['get', 'create', 'patch'];
    if (call.on('force')) verbs.push('delete');
    if (printsObject(call)) verbs.push('get');
    const privileged: string[] = [];
    for (const object of targets.objects) {
      const { type, name, namespace } = object;
      call.needs.add(verbs, type, { name, namespace, subresource: call.flag('subresource') });
      privileged.push(...needsOfWriting(call, object));
    }
    return { ...targets.sent, privileged };
  },
};
