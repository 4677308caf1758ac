import { urlAttributes } from '../../kubernetes/attributes.ts';
import { refuse } from '../../lib/refuse.ts';
import { globalFlags, RAW } from './flags.ts';
import type { Call, Meaning } from './verb.ts';

/** What the API server says of itself (kubernetes.io/docs/reference/using-api/health-checks): no kinds, no namespaces, no objects. */
const health = ['/readyz', '/livez', '/healthz'] as const;
const paths: ReadonlySet<string> = new Set([...health, ...health.map((path) => `${path}?verbose`), '/version']);

/** `get --raw PATH`, for the few paths that are no way around policy. It needs `get` on the path, without its query. */
export function readPath(call: Call): Meaning {
  const { parsed, needs } = call;
  const path = call.flag('raw') ?? '';
  const [word] = parsed.args;
  if (word !== undefined) throw refuse('--raw', `${RAW}; and no resource can be given with it`);
  // kubectl itself takes none of its other flags beside a path, or does nothing with them (pkg/cmd/get, Validate).
  const other = [...parsed.flags.keys()].find((name) => name !== 'raw' && !Object.hasOwn(globalFlags, name));
  if (other !== undefined) throw refuse(`--${other}`, 'has no meaning with --raw');
  if (!paths.has(path)) throw refuse('--raw', `${RAW}; ${insteadOf(path)}`);
  needs.addRaw(urlAttributes('get', path.split('?', 1)[0] ?? ''));
  return { args: [], flags: { raw: [path] }, namespace: 'none' };
}

/** What to type for a path that is not relayed. */
function insteadOf(path: string): string {
  const [, group, version, resource] =
    /^\/(?:api|apis\/(?<group>[a-z0-9.-]+))\/(?<version>v\w+)\/(?:namespaces\/[^/]+\/)?(?<resource>[a-z]+)/u.exec(
      path,
    ) ?? [];
  if (version !== undefined && resource !== undefined)
    return `name the resource: kubectl get ${resource}${group === undefined ? '' : `.${group}`} -o json`;
  if (/^\/apis?(?:\/|$)/u.test(path)) return 'kubectl api-resources and kubectl api-versions tell what there is';
  return `it can be ${[...paths].join(', ')}`;
}
