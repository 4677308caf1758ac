import { createHash } from 'node:crypto';
import type { Clock } from '../../../shared/clock.ts';
import { stable, type KubeObject } from './json.ts';
import { groupVersion, type Kind } from './kinds.ts';
import { alreadyExists, conflict, notFound } from './status.ts';

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly version: number;
  readonly bucket: string;
  readonly object: KubeObject;
}

type StoredKind = Pick<Kind, 'group' | 'version' | 'resource' | 'kind' | 'namespaced'>;

/** The objects of one cluster, with versions and a log of changes. What is handed in is copied, and so is what comes out. */
export interface Storage {
  /** `keep` looks at the objects themselves, before they are copied. */
  list(kind: StoredKind, namespace?: string, keep?: (object: Readonly<KubeObject>) => boolean): KubeObject[];
  find(kind: StoredKind, namespace: string, name: string): KubeObject | undefined;
  get(kind: StoredKind, namespace: string, name: string): KubeObject;
  create(kind: StoredKind, object: KubeObject, options?: { dryRun?: boolean }): KubeObject;
  /** Replaces the object; a resourceVersion in it must be the current one. Nothing is written when nothing changes. */
  update(kind: StoredKind, object: KubeObject, options?: { dryRun?: boolean; status?: boolean }): KubeObject;
  remove(kind: StoredKind, namespace: string, name: string): KubeObject;
  /** What there is, uncopied: for looking only. */
  metadata(): { readonly kind: StoredKind; readonly metadata: Readonly<KubeObject['metadata']> }[];
  version(): number;
  /** Events since a version, then new ones as they come, until the returned function is called. */
  watch(kind: StoredKind, since: number, listener: (event: WatchEvent) => void): () => void;
  clear(): void;
}

const KEPT_EVENTS = 5000;
const FIRST_VERSION = 1000;
/** Both versions of a kind share its objects. */
const bucketOf = ({ group, resource }: StoredKind): string =>
  resource === 'events' ? 'events' : `${group}/${resource}`;
const keyOf = (namespace: string, name: string): string => `${namespace}/${name}`;

export function createStorage(clock: Clock): Storage {
  const buckets = new Map<string, Map<string, KubeObject>>();
  const kindOf = new Map<string, StoredKind>();
  const listeners = new Set<(event: WatchEvent) => void>();
  let events: WatchEvent[] = [];
  let version = FIRST_VERSION;
  let serial = 0;

  const bucket = (kind: StoredKind): Map<string, KubeObject> => {
    const name = bucketOf(kind);
    const found = buckets.get(name) ?? new Map<string, KubeObject>();
    buckets.set(name, found);
    if (!kindOf.has(name)) kindOf.set(name, kind);
    return found;
  };
  const present = (kind: StoredKind, object: KubeObject): KubeObject => ({
    ...structuredClone(object),
    apiVersion: groupVersion(kind),
    kind: kind.kind,
  });
  const publish = (type: WatchEvent['type'], kind: StoredKind, object: KubeObject): void => {
    const event: WatchEvent = { type, version, bucket: bucketOf(kind), object: structuredClone(object) };
    events.push(event);
    if (events.length > 2 * KEPT_EVENTS) events = events.slice(-KEPT_EVENTS);
    for (const listener of listeners) listener(event);
  };
  const namespaceOf = (kind: StoredKind, object: KubeObject): string =>
    kind.namespaced ? (object.metadata.namespace ?? 'default') : '';

  const storage: Storage = {
    list: (kind, namespace, keep = () => true) =>
      [...bucket(kind).entries()]
        .filter(([key, object]) => (namespace === undefined || key.startsWith(`${namespace}/`)) && keep(object))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, object]) => present(kind, object)),
    find: (kind, namespace, name) => {
      const found = bucket(kind).get(keyOf(kind.namespaced ? namespace : '', name));
      return found && present(kind, found);
    },
    get: (kind, namespace, name) => {
      const found = storage.find(kind, namespace, name);
      if (!found) throw notFound(kind.resource, kind.group, name);
      return found;
    },
    create: (kind, given, { dryRun = false } = {}) => {
      const object = structuredClone(given);
      const namespace = namespaceOf(kind, object);
      serial += 1;
      if (!object.metadata.name && object.metadata.generateName !== undefined)
        object.metadata.name = object.metadata.generateName + safeSuffix(`${serial}`, 5);
      const { name } = object.metadata;
      if (bucket(kind).has(keyOf(namespace, name))) throw alreadyExists(kind.resource, kind.group, name);
      object.apiVersion = groupVersion(kind);
      object.kind = kind.kind;
      if (!dryRun) version += 1;
      object.metadata = {
        ...object.metadata,
        ...(kind.namespaced && { namespace }),
        uid: uidFor(`${bucketOf(kind)}/${namespace}/${name}/${serial}`),
        creationTimestamp: object.metadata.creationTimestamp ?? timestamp(clock.now()),
        ...(object['spec'] !== undefined && { generation: 1 }),
      };
      if (dryRun) return present(kind, object);
      object.metadata.resourceVersion = String(version);
      bucket(kind).set(keyOf(namespace, name), object);
      publish('ADDED', kind, object);
      return present(kind, object);
    },
    update: (kind, given, { dryRun = false, status = false } = {}) => {
      const object = structuredClone(given);
      const { name } = object.metadata;
      const namespace = namespaceOf(kind, object);
      const current = bucket(kind).get(keyOf(namespace, name));
      if (!current) throw notFound(kind.resource, kind.group, name);
      const expected = object.metadata.resourceVersion;
      if (expected !== undefined && expected !== '' && expected !== current.metadata.resourceVersion)
        throw conflict(kind.resource, kind.group, name);
      object.apiVersion = current.apiVersion;
      object.kind = current.kind;
      // Fields that the server owns stay as they were; a client cannot write them.
      const { uid, creationTimestamp, generation, resourceVersion } = current.metadata;
      object.metadata = {
        ...object.metadata,
        ...(kind.namespaced && { namespace }),
        ...(uid !== undefined && { uid }),
        ...(creationTimestamp !== undefined && { creationTimestamp }),
        ...(resourceVersion !== undefined && { resourceVersion }),
        ...(generation !== undefined && { generation }),
      };
      if (stable(object) === stable(current)) return present(kind, current);
      if (generation !== undefined && !status && stable(object['spec']) !== stable(current['spec']))
        object.metadata.generation = generation + 1;
      if (dryRun) return present(kind, object);
      version += 1;
      object.metadata.resourceVersion = String(version);
      bucket(kind).set(keyOf(namespace, name), object);
      publish('MODIFIED', kind, object);
      return present(kind, object);
    },
    remove: (kind, namespace, name) => {
      const removed = storage.get(kind, namespace, name);
      bucket(kind).delete(keyOf(kind.namespaced ? namespace : '', name));
      version += 1;
      removed.metadata.resourceVersion = String(version);
      publish('DELETED', kind, removed);
      return removed;
    },
    metadata: () =>
      [...buckets].flatMap(([name, objects]) => {
        const kind = kindOf.get(name);
        return kind ? [...objects.values()].map(({ metadata }) => ({ kind, metadata })) : [];
      }),
    version: () => version,
    watch: (kind, since, listener) => {
      const mine = (event: WatchEvent): void => {
        if (event.bucket === bucketOf(kind)) listener({ ...event, object: present(kind, event.object) });
      };
      for (const event of events) if (event.version > since) mine(event);
      listeners.add(mine);
      return () => listeners.delete(mine);
    },
    clear: () => {
      buckets.clear();
      events = [];
      serial = 0;
      version = FIRST_VERSION;
    },
  };
  return storage;
}

/** Kubernetes' own time format: UTC, whole seconds. */
export const timestamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** Letters and digits that spell no words (k8s.io/apimachinery/pkg/util/rand), drawn from a digest so that runs repeat. */
export function safeSuffix(seed: string, length: number): string {
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
  const bytes = createHash('sha256').update(seed).digest();
  return [...bytes.subarray(0, length)].map((byte) => alphabet[byte % alphabet.length]).join('');
}

function uidFor(seed: string): string {
  const hex = createHash('sha256').update(seed).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
