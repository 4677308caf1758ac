import { readJsonPatch } from '../json-patch.ts';
import { isList, isObject, type Json } from '../json.ts';
import type { ResourceType } from '../../kubernetes/resources.ts';
import { judgeKey } from './baseline.ts';
import type { Findings } from './findings.ts';
import { judgePodSpec, POD_PARTS } from './restricted.ts';

/**
 * Holds what a command writes to the Pod Security Standards (kubernetes.io/docs/concepts/security/pod-security-standards). The keys
 * of "Baseline" are looked for at any depth rather than at known paths, so that no template, init or ephemeral container,
 * partial apply or patch goes round them, and a custom resource that embeds pod templates is judged too.
 */
export function judgeObject(findings: Findings, type: ResourceType, body: Json): void {
  if (runsPods(type)) walk(body, findings, false);
  else if (type.resource === 'persistentvolumes' && type.group === '') judgeVolume(body, findings);
}

/** The same for a patch, strategic, merge or JSON. */
export function judgePatch(findings: Findings, type: ResourceType, patch: Json): void {
  if (!isList(patch)) {
    judgeObject(findings, type, patch);
    return;
  }
  for (const part of readJsonPatch(patch)) {
    if (part.kind === 'adds') judgeObject(findings, type, part.part);
    else if (!runsPods(type)) continue;
    else if (part.kind === 'unknown') {
      findings.beyondBaseline.add('a patch that copies or moves within a kind that runs pods');
      findings.serviceAccounts.add('');
    } else if (part.path.some((segment) => POD_PARTS.has(segment))) findings.beyondRestricted.add(PART_OF_A_POD);
  }
}

const POD_KINDS = new Set(['pods', 'podtemplates', 'replicationcontrollers']);
const POD_GROUPS = new Set(['apps', 'batch']);

/** Kinds whose objects are pods or hold templates of them. */
export const runsPods = (type: ResourceType): boolean =>
  type.custom || (type.group === '' ? POD_KINDS.has(type.resource) : POD_GROUPS.has(type.group));

/** Volumes that are a folder of a node, or that a program on the node mounts as root: whoever has one has the node. */
const NODE_VOLUMES = ['hostPath', 'local', 'flexVolume'] as const;

function judgeVolume(body: Json, findings: Findings): void {
  const spec = isObject(body) ? body.spec : undefined;
  if (!isObject(spec)) return;
  for (const source of NODE_VOLUMES) {
    if (spec[source] !== undefined && spec[source] !== null) findings.beyondBaseline.add(`a volume of kind ${source}`);
  }
}

const PART_OF_A_POD = 'a part of a pod without the rest, by which it could be judged';

/** `inPod`: below a pod that is judged as a whole. */
function walk(value: Json, findings: Findings, inPod: boolean): void {
  if (isList(value)) {
    for (const item of value) walk(item, findings, inPod);
    return;
  }
  if (!isObject(value)) return;
  const pod = !inPod && isList(value.containers);
  if (pod) judgePodSpec(value, findings);
  for (const key in value) {
    const member = value[key];
    if (member === undefined) continue;
    judgeKey(key, member, findings);
    if (!inPod && !pod && POD_PARTS.has(key)) findings.beyondRestricted.add(PART_OF_A_POD);
    if (typeof member === 'object' && member !== null) walk(member, findings, inPod || pod);
  }
}
