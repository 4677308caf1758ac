import { refuse } from '../../lib/refuse.ts';
import { createFindings, podSecurityOf } from '../pod-security/findings.ts';
import { judgeObject } from '../pod-security/pod-security.ts';
import { deletion } from './delete.ts';
import {
  dryRun,
  fieldManager,
  fileInput,
  globalFlags,
  NO_USE,
  NOT_TERMINAL,
  printing,
  printsObject,
  RAW,
  refused,
  sent,
} from './flags.ts';
import { subresource } from './get.ts';
import { needsOfWriting } from './objects.ts';
import { readTargets } from './targets.ts';
import type { Call, Meaning, Verb } from './verb.ts';

/** Verbs that write whole objects from -f: every object asks for `verbs`, and for what its kind needs beyond them. */
function writeObjects(call: Call, verbs: readonly string[], generateName = false): Meaning {
  const [verb = ''] = call.parsed.path;
  if (call.flags('filename').length === 0) throw refuse(verb, 'needs -f with files of the request or stdin');
  const targets = readTargets(call, { query: 'none', generateName });
  if (targets.kind !== 'named' || targets.objects === undefined) throw refuse(verb, 'needs -f');
  const subresource = call.flag('subresource') ?? '';
  const pods = createFindings();
  for (const object of targets.objects) {
    const { type, name, namespace } = object;
    call.needs.add(verbs, type, { name, namespace, subresource });
    // What is printed is the object: with every write of it comes a read.
    if (printsObject(call) || subresource !== '') call.needs.add('get', type, { name, namespace });
    needsOfWriting(call, object);
    judgeObject(pods, type, object.body);
  }
  return { ...targets.sent, podSecurity: podSecurityOf(pods) };
}

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
    'force-conflicts': sent,
    'openapi-patch': sent,
    overwrite: sent,
    prune: refused(PRUNE),
    'prune-allowlist': refused(PRUNE),
    selector: sent,
    'server-side': sent,
    subresource,
    validate: sent,
  },
  means: (call) => {
    const verbs = call.on('server-side') ? ['patch', 'create'] : ['get', 'create', 'patch'];
    return writeObjects(call, call.on('force') ? [...verbs, 'delete'] : verbs);
  },
};

export const diff: Verb = {
  flags: {
    ...globalFlags,
    ...fileInput,
    ...fieldManager,
    concurrency: sent,
    'force-conflicts': sent,
    prune: refused(PRUNE),
    'prune-allowlist': refused(PRUNE),
    selector: sent,
    'server-side': sent,
    'show-managed-fields': sent,
    'show-secrets': refused('prints what a Secret holds, which a diff masks otherwise; get the Secret'),
  },
  // The patch or create is a dry run; Kubernetes asks for the same rights.
  means: (call) => writeObjects(call, ['get', 'create', 'patch']),
};

export const create: Verb = {
  flags: {
    ...globalFlags,
    ...printing,
    ...fileInput,
    ...dryRun,
    ...fieldManager,
    edit: refused(NOT_TERMINAL),
    raw: refused(RAW),
    'save-config': sent,
    selector: sent,
    validate: sent,
    'windows-line-endings': refused(NO_USE),
  },
  means: (call) => {
    const [word] = call.parsed.args;
    if (word !== undefined) throw refuse(word, 'is not a kind that kubectl create knows; give a manifest with -f');
    return writeObjects(call, ['create'], true);
  },
};

export const replace: Verb = {
  flags: {
    ...globalFlags,
    ...printing,
    ...fileInput,
    ...dryRun,
    ...fieldManager,
    ...deletion,
    'save-config': sent,
    raw: refused(RAW),
    subresource,
    validate: sent,
  },
  means: (call) => writeObjects(call, call.on('force') ? ['get', 'delete', 'create'] : ['get', 'update']),
};
