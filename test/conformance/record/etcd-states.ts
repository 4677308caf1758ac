/**
 * Everything that an API server holds, as the keys of its etcd: kept once, put back before each command. That takes
 * milliseconds and needs no controller, where deleting a namespace would take one and never end.
 */
export type Keys = ReadonlyMap<string, { readonly value: string; readonly revision: string }>;

const encode = (text: string): string => Buffer.from(text).toString('base64');
const PREFIX = '/registry/';

/** What the server keeps about itself and renews all the time. */
const ITS_OWN =
  /^\/registry\/(?:masterleases|peerserverleases|leases\/kube-system\/apiserver-|apiregistration\.k8s\.io|apiextensions\.k8s\.io|events)/u;

interface Range {
  readonly kvs?: readonly { readonly key: string; readonly value?: string; readonly mod_revision: string }[];
}

/** Values are base64. */
export async function readKeys(etcd: string): Promise<Keys> {
  const answer = (await post(etcd, 'range', { key: encode(PREFIX), range_end: encode('/registry0') })) as Range;
  return new Map(
    (answer.kvs ?? [])
      .map(
        ({ key, value = '', mod_revision: revision }) =>
          [Buffer.from(key, 'base64').toString(), { value, revision }] as const,
      )
      .filter(([key]) => !ITS_OWN.test(key)),
  );
}

/** Makes etcd hold just these values. Gives what it holds then, with the new revisions. */
export async function restoreKeys(etcd: string, wanted: Keys): Promise<void> {
  const now = await readKeys(etcd);
  const operations = [
    ...[...now.keys()].filter((key) => !wanted.has(key)).map((key) => ({ request_delete_range: { key: encode(key) } })),
    ...[...wanted]
      .filter(([key, { value }]) => now.get(key)?.value !== value)
      .map(([key, { value }]) => ({ request_put: { key: encode(key), value } })),
  ];
  // etcd takes at most 128 operations in one transaction.
  for (let at = 0; at < operations.length; at += 100) {
    await post(etcd, 'txn', { success: operations.slice(at, at + 100) });
  }
}

async function post(etcd: string, what: string, body: unknown): Promise<unknown> {
  const answer = await fetch(`${etcd}/v3/kv/${what}`, { method: 'POST', body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`etcd answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}
