import { ALL_NAMESPACES } from '../../../shared/kubernetes/attributes.ts';
import type { Clock } from '../../../shared/clock.ts';
import type { ApiRequest } from './api-request.ts';
import { at, isObject, list, object, text, type JsonObject, type KubeObject } from './json.ts';
import { builtInKinds, groupVersion, type Kind } from './kinds.ts';
import type { RecordedRequest } from './recorded-request.ts';
import { safeSuffix, timestamp, type Storage } from './storage.ts';

const USER = 'system:serviceaccount:aks-command:default';

/** Kinds that are questions and are stored nowhere. */
export const isReview = (kind: Kind): boolean =>
  kind.group === 'authorization.k8s.io' || kind.group === 'authentication.k8s.io';

/** `auth can-i`, `auth whoami` and their like: answered by the same `allow` that requests are. */
export function answerReview(
  { kind, record, body }: ApiRequest,
  allows: (request: RecordedRequest) => boolean,
): JsonObject {
  const review = { ...object(body), kind: kind.kind, apiVersion: groupVersion(kind) };
  const who = {
    username: record.impersonate?.user ?? USER,
    groups: [...(record.impersonate?.groups ?? ['system:serviceaccounts', 'system:authenticated'])],
  };
  switch (kind.kind) {
    case 'SelfSubjectReview':
      return { ...review, status: { userInfo: who } };
    case 'TokenReview':
      return { ...review, status: { authenticated: false } };
    case 'SelfSubjectRulesReview':
      return {
        ...review,
        status: {
          incomplete: true,
          resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
          nonResourceRules: [],
        },
      };
    default: {
      const asked = at(body, 'spec', 'resourceAttributes');
      const allowed = !isObject(asked) || allows(hypothetical(record, asked));
      return { ...review, status: { allowed, ...(!allowed && { reason: 'the emulation was told to refuse this' }) } };
    }
  }
}

function hypothetical(record: RecordedRequest, asked: JsonObject): RecordedRequest {
  const word = (key: string) => text(asked[key]);
  const [group, resource] = [word('group'), word('resource')];
  const namespaced =
    builtInKinds.find((kind) => kind.group === group && kind.resource === resource)?.namespaced ?? true;
  return {
    ...record,
    verb: word('verb'),
    group,
    resource,
    subresource: word('subresource'),
    namespace: namespaced ? word('namespace') || ALL_NAMESPACES : '',
    name: word('name'),
  };
}

/** On an object: what it uses, as `12345678n/53212Ki`, in place of what is made up. */
export const USAGE = 'emulated/usage';

/** metrics.k8s.io: made up, the same for the same name, and within what the objects request. */
export function metrics(kind: Kind, storage: Storage, clock: Clock): KubeObject[] {
  const core = builtInKinds.find(({ group, resource }) => group === '' && resource === kind.resource);
  const usage = ({ metadata: { name, annotations } }: KubeObject, cpu: number, memory: number): JsonObject => {
    const [own, ownMemory] = annotations?.[USAGE]?.split('/') ?? [];
    if (own !== undefined && ownMemory !== undefined) return { cpu: own, memory: ownMemory };
    const spread = safeSuffix(name, 1).charCodeAt(0) % 20;
    return { cpu: `${cpu + spread}m`, memory: `${memory + spread}Mi` };
  };
  return (core ? storage.list(core) : []).map((source) => ({
    kind: kind.kind,
    apiVersion: groupVersion(kind),
    metadata: { ...source.metadata },
    timestamp: timestamp(clock.now()),
    window: '15s',
    ...(kind.resource === 'nodes'
      ? { usage: usage(source, 240, 2900) }
      : {
          containers: list(at(source, 'spec', 'containers')).map((c) => ({
            name: text(at(c, 'name')),
            usage: usage(source, 3, 48),
          })),
        }),
  }));
}
