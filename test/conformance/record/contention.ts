import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ApiServer, User } from './api-server.ts';

/**
 * A way to the API server on which another writer is always a moment faster: before the first write of each object in a command, the
 * administrator changes that object. A write that rests on what was read before gets the server's own 409.
 */
export interface Contention {
  /** A kubeconfig that leads here; the proxy speaks for the user. */
  readonly kubeconfig: string;
  /** Before each command: every object is changed once more. */
  begin(): void;
  close(): Promise<void>;
}

export async function openContention(server: ApiServer, user: User): Promise<Contention> {
  const changed = new Set<string>();
  let changes = 0;

  async function change(path: string): Promise<void> {
    if (changed.has(path)) return;
    changed.add(path);
    changes += 1;
    // What is not there cannot be changed.
    await server.call('PATCH', path, { metadata: { annotations: { 'example.com/changed': String(changes) } } });
  }

  async function relay(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = '', url = '' } = incoming;
    if (method === 'PUT' || method === 'PATCH') await change(objectPath(url));
    const sent = request(
      new URL(url, server.url),
      {
        method,
        rejectUnauthorized: false,
        headers: { ...incoming.headers, authorization: server.authorization(user) },
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    sent.on('error', () => outgoing.destroy());
    outgoing.on('close', () => sent.destroy());
    incoming.pipe(sent);
  }

  const proxy = createServer((incoming, outgoing) => {
    relay(incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return {
    kubeconfig: kubeconfigFor(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`),
    begin: () => changed.clear(),
    close: async () => {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

/** `/api/v1/namespaces/shop/pods/web/status?x` is about `/api/v1/namespaces/shop/pods/web`. */
function objectPath(url: string): string {
  const segments = url.replace(/\?.*$/u, '').split('/').slice(1);
  const root = segments.slice(0, segments[0] === 'api' ? 2 : 3);
  const rest = segments.slice(root.length);
  const inNamespace = rest[0] === 'namespaces' && rest.length >= 4;
  return `/${[...root, ...rest.slice(0, inNamespace ? 4 : 2)].join('/')}`;
}

const kubeconfigFor = (server: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'contended', cluster: { server } }],
    users: [{ name: 'nobody', user: {} }],
    contexts: [{ name: 'contended', context: { cluster: 'contended', user: 'nobody' } }],
    'current-context': 'contended',
  });
