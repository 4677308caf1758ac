import { isList, isObject, type Json, type JsonObject } from './json.ts';
import type { ResourceType } from '../kubernetes/resources.ts';

/**
 * What in an object needs a rule with `podSecurity: privileged`: the ways out of a container and into other identities (Pod
 * Security Standards, "Baseline", and a service account of one's own choosing). Keys are looked for at any depth rather than at
 * known paths: so no template, init or ephemeral container, partial apply or patch goes round it, and a custom resource that
 * embeds pod templates is judged too.
 */
export function privilegedReasons(type: ResourceType, body: Json): string[] {
  if (!runsPods(type)) return type.resource === 'persistentvolumes' && type.group === '' ? volumeReasons(body) : [];
  const reasons = new Set<string>();
  walk(body, reasons);
  return [...reasons];
}

const POD_KINDS = new Set(['pods', 'podtemplates', 'replicationcontrollers']);
const POD_GROUPS = new Set(['apps', 'batch']);

/** Kinds whose objects are pods or hold templates of them. */
export const runsPods = (type: ResourceType): boolean =>
  type.custom || (type.group === '' ? POD_KINDS.has(type.resource) : POD_GROUPS.has(type.group));

function volumeReasons(body: Json): string[] {
  const spec = isObject(body) ? body.spec : undefined;
  return isObject(spec) && isSet(spec.hostPath) ? ['hostPath'] : [];
}

function walk(value: Json, reasons: Set<string>): void {
  if (isList(value)) {
    for (const item of value) walk(item, reasons);
  } else if (isObject(value)) {
    for (const key in value) {
      const member = value[key];
      if (member === undefined) continue;
      judges.get(key)?.(member, reasons, value);
      if (typeof member === 'object' && member !== null) walk(member, reasons);
    }
  }
}

type Judge = (value: Json, reasons: Set<string>, parent: JsonObject) => void;

/** Set to something: null and false are how a field is left alone or taken away. */
const isSet = (value: Json | undefined): boolean =>
  value !== undefined && value !== null && value !== false && value !== '' && !(isList(value) && value.length === 0);

const flag =
  (reason: string): Judge =>
  (value, reasons) => {
    if (isSet(value)) reasons.add(reason);
  };

const account: Judge = (value, reasons) => {
  if (isSet(value) && value !== 'default') reasons.add('a service account other than default');
};

const profile =
  (reason: string): Judge =>
  (value, reasons) => {
    if (isObject(value) && isSet(value.type) && value.type !== 'RuntimeDefault' && value.type !== 'Localhost') {
      reasons.add(reason);
    }
  };

const judges: ReadonlyMap<string, Judge> = new Map<string, Judge>([
  ['hostNetwork', flag('hostNetwork')],
  ['hostPID', flag('hostPID')],
  ['hostIPC', flag('hostIPC')],
  ['hostProcess', flag('a Windows host process')],
  ['privileged', flag('a privileged container')],
  ['hostPath', flag('hostPath')],
  ['sysctls', flag('sysctls')],
  [
    'hostPort',
    (value, reasons) => {
      if (isSet(value) && value !== 0) reasons.add('hostPort');
    },
  ],
  [
    'procMount',
    (value, reasons) => {
      if (isSet(value) && value !== 'Default') reasons.add('procMount');
    },
  ],
  [
    'capabilities',
    (value, reasons) => {
      if (isObject(value) && isSet(value.add)) reasons.add('added capabilities');
      else if (isSet(value) && !isObject(value)) reasons.add('added capabilities');
    },
  ],
  ['serviceAccountName', account],
  ['serviceAccount', account],
  ['seccompProfile', profile('an unconfined seccomp profile')],
  ['appArmorProfile', profile('an unconfined AppArmor profile')],
  [
    'annotations',
    (value, reasons) => {
      if (!isObject(value)) return;
      for (const [key, text] of Object.entries(value)) {
        if (isUnconfined(key, text)) reasons.add('an unconfined AppArmor or seccomp profile');
      }
    },
  ],
]);

/** The forms before seccompProfile and appArmorProfile; AppArmor's still works. */
export const isUnconfined = (key: string, value: Json): boolean =>
  /^(?:container\.)?(?:apparmor|seccomp)\.security\./u.test(key) && value === 'unconfined';

/**
 * The same for a patch. JSON patches name what they change by path: the path becomes the object around the value. What they copy
 * or move within a kind that runs pods cannot be judged, so it counts as privileged.
 */
export function privilegedPatchReasons(type: ResourceType, patch: Json): string[] {
  if (!isList(patch)) return privilegedReasons(type, patch);
  const reasons = new Set<string>();
  for (const operation of patch) {
    if (!isObject(operation) || typeof operation.path !== 'string') {
      reasons.add('a patch that cannot be judged');
      continue;
    }
    if (operation.op === 'copy' || operation.op === 'move') {
      if (runsPods(type)) reasons.add('a patch that copies or moves within a kind that runs pods');
      continue;
    }
    if (operation.op === 'remove' || operation.op === 'test') continue;
    for (const reason of privilegedReasons(type, around(operation.path, operation.value ?? null))) reasons.add(reason);
  }
  return [...reasons];
}

/** RFC 6901: `/spec/volumes/0` and a value become `{spec: {volumes: {0: value}}}`. */
function around(pointer: string, value: Json): Json {
  const segments = pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
  return segments.reduceRight<Json>(
    (inner, segment) => Object.assign(Object.create(null), { [segment]: inner }),
    value,
  );
}
