import { readJsonPatch } from '../json-patch.ts';
import { isList, isObject, type Json } from '../json.ts';
import type { ResourceType } from '../../kubernetes/resources.ts';
import { judgeKey } from './baseline.ts';
import type { Findings } from './findings.ts';
import { judgePodSpec, podParts } from './restricted.ts';

/**
 * Holds what a command writes to the Pod Security Standards (kubernetes.io/docs/concepts/security/pod-security-standards). The keys
 * of "Baseline" are looked for at any depth rather than at known paths, so that no template, init or ephemeral container,
 * partial apply or patch goes round them, and a custom resource that embeds pod templates is judged too.
 */
export function judgeObject(findings: Findings, type: ResourceType, body: Json): void {
  if (runsPods(type)) walk(body, findings, false, '');
  else if (isVolume(type)) judgeVolume(body, findings);
}

/** The same for a patch, strategic, merge or JSON. */
export function judgePatch(findings: Findings, type: ResourceType, patch: Json): void {
  if (!isList(patch)) {
    judgeObject(findings, type, patch);
    if (runsPods(type) && clearsSecurity(patch)) findings.beyondRestricted.add(PART_OF_A_POD);
    return;
  }
  for (const part of readJsonPatch(patch)) {
    if (part.kind === 'adds') judgeObject(findings, type, part.part);
    else if (part.kind === 'unknown' && isVolume(type)) {
      findings.beyondBaseline.add('a patch that copies or moves within a persistent volume');
    } else if (!runsPods(type)) continue;
    else if (part.kind === 'unknown') {
      findings.beyondBaseline.add('a patch that copies or moves within a kind that runs pods');
      findings.serviceAccounts.add('');
    } else if (part.path.some((segment) => podParts.has(segment))) findings.beyondRestricted.add(PART_OF_A_POD);
  }
}

const podKinds = new Set(['pods', 'podtemplates', 'replicationcontrollers']);
const podGroups = new Set(['apps', 'batch']);

/** Kinds whose objects are pods or hold templates of them. */
export const runsPods = (type: ResourceType): boolean =>
  type.custom || (type.group === '' ? podKinds.has(type.resource) : podGroups.has(type.group));

const isVolume = ({ resource, group }: ResourceType): boolean => resource === 'persistentvolumes' && group === '';

/** Volumes that are a folder of a node, or that a program on the node mounts as root: a pod with one has the node. */
const nodeVolumes = ['hostPath', 'local', 'flexVolume'] as const;

function judgeVolume(body: Json, findings: Findings): void {
  const spec = isObject(body) ? body.spec : undefined;
  if (!isObject(spec)) return;
  for (const source of nodeVolumes) {
    if (spec[source] !== undefined && spec[source] !== null) findings.beyondBaseline.add(`a volume of kind ${source}`);
  }
}

const PART_OF_A_POD = 'a part of a pod without the rest, by which it could be judged';

/** Keys by which a strategic merge takes away what it is merged into (apimachinery, pkg/util/strategicpatch); `$setElementOrder` only sorts. */
const takesAway = /^\$(?:patch$|retainKeys$|deleteFromPrimitiveList\/)/u;

/**
 * `inPod`: below a pod that is judged as a whole. `under`: the key at which the value stands. A list `containers` may be a key that the API
 * server drops, `{containers: [], template: …}`, so what stands below it is judged as well.
 */
function walk(value: Json, findings: Findings, inPod: boolean, under: string): void {
  if (isList(value)) {
    for (const item of value) walk(item, findings, inPod, under);
    return;
  }
  if (!isObject(value)) return;
  const pod = isList(value.containers);
  if (pod) judgePodSpec(value, findings);
  for (const key in value) {
    const member = value[key];
    if (member === undefined) continue;
    judgeKey(key, member, findings);
    if (isPartOfPod(key, { pod, inPod, under })) findings.beyondRestricted.add(PART_OF_A_POD);
    if (typeof member === 'object' && member !== null) walk(member, findings, inPod || pod, key);
  }
}

interface Place {
  /** It is the pod itself. */
  readonly pod: boolean;
  readonly inPod: boolean;
  readonly under: string;
}

const containerLists = new Set(['containers', 'initContainers', 'ephemeralContainers']);

function isPartOfPod(key: string, { pod, inPod, under }: Place): boolean {
  if ((pod || inPod) && takesAway.test(key)) return true;
  // Judged with the pod.
  if (pod || (inPod && key === 'securityContext' && containerLists.has(under))) return false;
  if (inPod) return podParts.has(key);
  // A deployment's strategy is changed with it, and holds no pod.
  return podParts.has(key) || (key === '$retainKeys' && under !== 'strategy');
}

/** Whether a patch takes something out of a pod's own security context, on which containers may rely that are not in the patch. */
function clearsSecurity(patch: Json): boolean {
  if (isList(patch)) return patch.some(clearsSecurity);
  if (!isObject(patch)) return false;
  if (isList(patch.containers) && holdsNull(patch.securityContext)) return true;
  return Object.values(patch).some(clearsSecurity);
}

const holdsNull = (value: Json | undefined): boolean =>
  value === null || (isObject(value) && Object.values(value).some(holdsNull));
