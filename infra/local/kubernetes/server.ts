import { createServer } from 'node:http';
import { systemClock, type Clock } from '../../../shared/clock.ts';
import { answer, answerUpgrade, type Container, type ServerContext } from './answer.ts';
import { reconcile } from './controllers.ts';
import type { KubeObject } from './json.ts';
import { builtInKinds, customKinds, groupVersion, type Kind } from './kinds.ts';
import type { RecordedRequest } from './recorded-request.ts';
import { seed } from './seed.ts';
import { badRequest } from './status.ts';
import { createStorage, type Storage } from './storage.ts';
import { closeServer, listen } from '../loopback.ts';

export type { RecordedRequest };

export interface EmulatedKubernetes {
  readonly url: string;
  /** Every request for a resource, in order of arrival. */
  readonly requests: RecordedRequest[];
  /** Every other request: discovery, version, OpenAPI. */
  readonly nonResource: { verb: string; path: string }[];
  /** Objects and records back to the beginning. */
  reset(): void;
  /** YAML text with one context that names no namespace. */
  kubeconfig(): string;
  /** When set and false, the request is answered with 403. */
  allow?: (request: RecordedRequest) => boolean;
  /** Creates or replaces an object behind the API's back: not recorded, never refused. */
  put(object: KubeObject): KubeObject;
  /** The same with the controllers out until the next reset: what is wrong with the object stays wrong. */
  place(object: KubeObject): KubeObject;
  /** Checks of /readyz and /livez that fail. */
  readonly failing: Set<string>;
  /** Reads an object without being recorded. */
  find(kind: string, namespace: string, name: string): KubeObject | undefined;
  /** Removes an object behind the API's back; nothing happens when it is not there. */
  remove(kind: string, namespace: string, name: string): void;
  /** What runs in pods, by namespace/name: for exec, and to be told when the pod is deleted. */
  readonly containers: Map<string, Container>;
  close(): Promise<void>;
}

/**
 * A Kubernetes API server in memory, enough for the real kubectl: discovery, JSON and Table, watch, all kinds of patch,
 * sub-resources, and workloads that are ready at once. Plain HTTP on loopback, no authentication.
 */
export async function startKubernetes(
  options: { port?: number; clock?: Clock; seed?: boolean } = {},
): Promise<EmulatedKubernetes> {
  const { clock = systemClock } = options;
  const storage = createStorage(clock);
  const kinds = (): readonly Kind[] => servedKinds(storage);
  const state = { requests: [], nonResource: [], failing: new Set<string>(), containers: new Map<string, Container>() };
  const allows = (request: RecordedRequest): boolean => emulated.allow?.(request) ?? true;
  const context: ServerContext = { ...state, api: { storage, clock, kinds, allows } };
  const server = createServer((request, response) => void answer(context, request, response));
  server.on('upgrade', (request, socket) => answerUpgrade(context, request, socket));
  tellDeletedContainers(context);
  const emulated: EmulatedKubernetes = {
    url: '',
    ...state,
    kubeconfig: () => kubeconfigFor(emulated.url),
    ...behindTheApi(context, { seeded: options.seed ?? true }),
    close: () => closeServer(server),
  };
  emulated.reset();
  return Object.assign(emulated, { url: await listen(server, options.port) });
}

/** Those that are built in, and those that custom resource definitions in storage define. */
function servedKinds(storage: Storage): readonly Kind[] {
  const definitions = builtInKinds.find((kind) => kind.resource === 'customresourcedefinitions');
  return [...builtInKinds, ...(definitions ? storage.list(definitions).flatMap(customKinds) : [])];
}

function tellDeletedContainers({ api: { storage, kinds }, containers }: ServerContext): void {
  const pods = kinds().find(({ kind }) => kind === 'Pod');
  if (!pods) return;
  storage.watch(pods, storage.version(), ({ type, object: { metadata } }) => {
    if (type === 'DELETED') containers.get(`${metadata.namespace ?? ''}/${metadata.name}`)?.deleted();
  });
}

type BehindTheApi = Pick<EmulatedKubernetes, 'reset' | 'put' | 'place' | 'find' | 'remove'>;

/** What tests do to objects without a request. */
function behindTheApi(context: ServerContext, { seeded }: { readonly seeded: boolean }): BehindTheApi {
  const { storage, clock, kinds } = context.api;
  /** True once something was placed that the controllers would put right. */
  let controllersOut = false;
  const kindOf = (object: KubeObject): Kind => {
    const kind = kinds().find((kind) => kind.kind === object.kind && groupVersion(kind) === object.apiVersion);
    if (!kind) throw badRequest(`no kind ${object.apiVersion} ${object.kind}`);
    return kind;
  };
  const named = (name: string): Kind | undefined => kinds().find((kind) => kind.kind === name);
  return {
    reset: () => {
      storage.clear();
      if (seeded) seed(storage, clock);
      context.requests.length = 0;
      context.nonResource.length = 0;
      context.failing.clear();
      controllersOut = false;
    },
    put: (object) => {
      const stored = store(storage, kindOf(object), object);
      if (!controllersOut) reconcile(storage, clock);
      return stored;
    },
    place: (object) => {
      const kind = kindOf(object);
      controllersOut = true;
      return store(storage, kind, object, { status: true });
    },
    find: (name, namespace, objectName) => {
      const kind = named(name);
      return kind && storage.find(kind, namespace, objectName);
    },
    remove: (name, namespace, objectName) => {
      const kind = named(name);
      if (kind && storage.find(kind, namespace, objectName)) storage.remove(kind, namespace, objectName);
    },
  };
}

/** Creates an object, or writes over the one that is there. */
function store(storage: Storage, kind: Kind, object: KubeObject, options: { status?: boolean } = {}): KubeObject {
  const { resourceVersion: _, ...metadata } = object.metadata;
  const { name } = metadata;
  if (!storage.find(kind, metadata.namespace ?? 'default', name)) return storage.create(kind, object);
  return storage.update(kind, { ...object, metadata: { ...metadata, name } }, options);
}

const kubeconfigFor = (url: string): string => `apiVersion: v1
kind: Config
clusters:
  - name: emulated
    cluster: { server: "${url}" }
users:
  - name: emulated
    user: {}
contexts:
  - name: emulated
    context: { cluster: emulated, user: emulated }
current-context: emulated
`;
