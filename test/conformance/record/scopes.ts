import type { ApiServer } from './api-server.ts';

/** From the server's own discovery documents. */
export async function readScopes({ call }: ApiServer): Promise<(group: string, resource: string) => boolean> {
  const namespaced = new Set<string>();
  const { body } = await call('GET', '/apis');
  const groups = (body as { groups: { name: string; preferredVersion: { groupVersion: string } }[] }).groups;
  const documents = [
    { name: '', path: '/api/v1' },
    ...groups.map(({ name, preferredVersion }) => ({ name, path: `/apis/${preferredVersion.groupVersion}` })),
  ];
  for (const { name, path } of documents) {
    const answer = await call('GET', path);
    for (const one of (answer.body as { resources?: { name: string; namespaced: boolean }[] }).resources ?? []) {
      if (one.namespaced) namespaced.add(`${name}/${one.name}`);
    }
  }
  return (group, resource) => namespaced.has(`${group}/${resource}`);
}
