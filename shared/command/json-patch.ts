import { isObject, type Json } from './json.ts';

/** One operation of a JSON patch (RFC 6902), as far as it can be judged without the object that it changes. */
type PatchPart =
  /** It brings this value: `{op: add, path: /spec/volumes/0, value: v}` becomes `{spec: {volumes: {0: v}}}`. */
  | { readonly kind: 'adds'; readonly part: Json }
  /** It brings what stands elsewhere in the object, or cannot be read at all. */
  | { readonly kind: 'unknown'; readonly path: readonly string[] }
  /** It takes away what stands there. */
  | { readonly kind: 'removes'; readonly path: readonly string[] };

/** The operations of a JSON patch one by one; those that change nothing (`test`) are left out. */
export function readJsonPatch(patch: readonly Json[]): readonly PatchPart[] {
  return patch.flatMap((operation): PatchPart[] => {
    if (!isObject(operation) || typeof operation.path !== 'string') return [{ kind: 'unknown', path: [] }];
    const path = segmentsOf(operation.path);
    if (operation.op === 'test') return [];
    if (operation.op === 'remove') return [{ kind: 'removes', path }];
    if (operation.op === 'copy' || operation.op === 'move') return [{ kind: 'unknown', path }];
    return [{ kind: 'adds', part: around(path, operation.value ?? null) }];
  });
}

/** RFC 6901. What stands before the first slash is dropped, as the API server's reader does (evanphx/json-patch, findObject). */
const segmentsOf = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));

const around = (path: readonly string[], value: Json): Json =>
  path.reduceRight<Json>((inner, segment) => Object.assign(Object.create(null), { [segment]: inner }), value);
