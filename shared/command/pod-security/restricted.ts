import { isList, isObject, type Json, type JsonObject } from '../json.ts';
import type { Findings } from './findings.ts';

/** Keys of a pod by which "Restricted" is judged; a change of one of them alone cannot be. */
export const podParts: ReadonlySet<string> = new Set([
  'containers',
  'initContainers',
  'ephemeralContainers',
  'securityContext',
  'volumes',
  '$patch',
]);

const volumes = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

/**
 * What the Pod Security Standard "Restricted" asks of a pod beyond "Baseline": it names what has to be there, so it is judged on whole
 * pods (kubernetes.io/docs/concepts/security/pod-security-standards).
 */
export function judgePodSpec(spec: JsonObject, { beyondRestricted }: Findings): void {
  const pod = securityOf(spec);
  const containers = containersOf(spec);
  const windows = isObject(spec.os) && spec.os.name === 'windows';
  const each = (holds: (security: JsonObject) => boolean): boolean =>
    containers.every((container) => holds(securityOf(container)));
  const demand = (holds: boolean, reason: string): void => {
    if (!holds) beyondRestricted.add(reason);
  };

  // The API server takes no such pod, so that it is a part of one, or not where a pod stands.
  demand(containers.length > 0, 'no containers, by which it could be judged');
  for (const volume of isList(spec.volumes) ? spec.volumes : []) {
    if (!isObject(volume)) continue;
    const kind = Object.keys(volume).find((key) => key !== 'name' && volume[key] !== null);
    demand(kind === undefined || volumes.has(kind), `a volume of kind ${kind}`);
  }
  demand(
    pod.runAsNonRoot !== false &&
      each(({ runAsNonRoot }) => runAsNonRoot === true || (pod.runAsNonRoot === true && isUnset(runAsNonRoot))),
    'no runAsNonRoot: true',
  );
  demand(pod.runAsUser !== 0 && each(({ runAsUser }) => runAsUser !== 0), 'runAsUser: 0');
  if (windows) return;
  demand(
    each(({ allowPrivilegeEscalation }) => allowPrivilegeEscalation === false),
    'no allowPrivilegeEscalation: false',
  );
  demand(
    each(({ seccompProfile }) => isConfined(isUnset(seccompProfile) ? pod.seccompProfile : seccompProfile)),
    'no seccompProfile of type RuntimeDefault or Localhost',
  );
  demand(each(dropsAll), 'capabilities other than NET_BIND_SERVICE: drop [ALL]');
}

const isUnset = (value: Json | undefined): boolean => value === undefined || value === null;

const securityOf = ({ securityContext }: JsonObject): JsonObject => (isObject(securityContext) ? securityContext : {});

const containersOf = (spec: JsonObject): readonly JsonObject[] =>
  [spec.containers, spec.initContainers, spec.ephemeralContainers].flatMap((list) =>
    isList(list) ? list.filter(isObject) : [],
  );

const isConfined = (profile: Json | undefined): boolean =>
  isObject(profile) && (profile.type === 'RuntimeDefault' || profile.type === 'Localhost');

function dropsAll({ capabilities }: JsonObject): boolean {
  if (!isObject(capabilities)) return false;
  const { drop, add } = capabilities;
  const added = isList(add) ? add : [];
  return isList(drop) && drop.includes('ALL') && added.every((one) => one === 'NET_BIND_SERVICE');
}
