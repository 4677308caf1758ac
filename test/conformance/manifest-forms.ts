import * as fc from 'fast-check';
import { stringify } from 'yaml';
import { builtInKinds, groupVersion, type Kind } from '../../infra/local/kubernetes/kinds.ts';
import { catalogOf } from '../../shared/kubernetes/resources.ts';
import { context } from './kubectl-cluster.ts';

/** Manifests as people write them, and as nobody should: each is one text, and every object in it has a name of its own. */
type Tree = Readonly<Record<string, unknown>>;

const catalog = catalogOf(context.resources);

/** Every kind of the catalogue that the emulated API server keeps objects of. */
export const kinds: readonly Kind[] = builtInKinds.filter(
  (kind) =>
    kind.verbs.includes('update') &&
    catalog.ofKind(groupVersion(kind), kind.kind) !== undefined &&
    kind.kind !== 'CustomResourceDefinition',
);

const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'db', namespace: 'kube-system' } };

/** Keys that some reader might take for more than data, with what they could hold. */
const extra = fc.constantFrom<readonly [string, unknown]>(
  ['items', [secret]],
  ['items', []],
  ['items', null],
  ['items', { a: secret }],
  ['Items', [secret]],
  ['ITEMS', [secret]],
  ['list', [secret]],
  ['objects', [secret]],
  ['Kind', 'Secret'],
  ['KIND', 'Secret'],
  ['ApiVersion', 'v2'],
  ['apiversion', 'v2'],
  ['Metadata', { name: 'other', namespace: 'kube-system' }],
  ['metadata.name', 'other'],
  ['namespace', 'kube-system'],
  ['name', 'other'],
  ['Name', 'other'],
  ['Namespace', 'kube-system'],
  ['NAMESPACE', 'kube-system'],
  ['selfLink', '/api/v1/namespaces/kube-system/secrets/db'],
  ['generateName', 'other-'],
  ['uid', 'u'],
  ['clusterName', 'other'],
  ['status', { metadata: { name: 'other' } }],
  ['spec', { metadata: { name: 'other', namespace: 'kube-system' } }],
  ['data', { a: 'b' }],
  ['template', secret],
  ['$patch', 'delete'],
  ['$setElementOrder/items', []],
  ['__proto__', { kind: 'Secret' }],
  ['constructor', { name: 'other' }],
  ['', 'x'],
  ['<<', { namespace: 'kube-system' }],
);

const extras = fc.array(extra, { maxLength: 2 });

const withExtra = (base: Tree, more: readonly (readonly [string, unknown])[]): Tree =>
  Object.fromEntries([...more.filter(([key]) => !Object.hasOwn(base, key)), ...Object.entries(base)]);

/** One object of any kind, with extra keys at each level. */
const object = (name: string): fc.Arbitrary<Tree> =>
  fc
    .record({
      kind: fc.constantFrom(...kinds),
      namespace: fc.constantFrom('shop', 'shop', '', undefined, 'team'),
      top: extras,
      inner: extras,
      deep: extras,
    })
    .map(({ kind, namespace, top, inner, deep }) => {
      const metadata = { name, ...(namespace !== undefined && { namespace }), labels: { app: 'web' } };
      const body = { apiVersion: groupVersion(kind), kind: kind.kind, metadata: withExtra(metadata, inner) };
      return withExtra({ ...body, spec: withExtra({ a: 1 }, deep) }, top);
    });

/** How a text can hold objects. */
type Form = (objects: readonly [Tree, Tree]) => string;

const json = (value: unknown): string => JSON.stringify(value);
const list = (...items: readonly unknown[]): Tree => ({ apiVersion: 'v1', kind: 'List', items });
const kindOf = ({ kind }: Tree): string => String(kind);

const forms: readonly Form[] = [
  ([one]) => json(one),
  ([one]) => stringify(one, { version: '1.1' }),
  ([one, two]) => `${stringify(one, { version: '1.1' })}---\n${json(two)}\n`,
  ([one, two]) => `---\n${json(one)}\n---\n---\n# nothing\n---\n${json(two)}\n...\n`,
  ([one, two]) => json(list(one, two)),
  ([one, two]) => json(list(list(one), two)),
  ([one, two]) => json({ ...list(one, two), metadata: { name: 'other', namespace: 'kube-system' }, spec: secret }),
  ([one]) => json({ apiVersion: one['apiVersion'], kind: `${kindOf(one)}List`, items: [one] }),
  ([one, two]) => json({ apiVersion: one['apiVersion'], kind: `${kindOf(one)}List`, items: [one, two] }),
  ([{ kind: _, apiVersion, ...rest }]) => json({ apiVersion, kind: `${String(_)}List`, items: [rest] }),
  ([one, two]) => json({ apiVersion: 'v1', kind: 'SecretList', items: [one, two] }),
  ([one]) => json({ ...list(one), Items: [secret] }),
  ([one]) => json({ apiVersion: 'v1', kind: 'List', items: null, spec: one }),
  // Merge keys, anchors, and keys in an order that a reader may not expect.
  ([one]) =>
    `base: &base {namespace: team, labels: {a: b}}\n${json({ ...one, metadata: undefined })
      .slice(1, -1)
      .split(/,(?="(?:kind|spec)")/u)
      .join('\n')}\nmetadata: {<<: *base, name: merged}\n`,
  ([one]) =>
    `spec: &spec {namespace: team}\napiVersion: ${json(one['apiVersion'])}\nkind: ${json(one['kind'])}\nmetadata:\n  <<: [*spec]\n  name: merged\n`,
  ([one]) =>
    `apiVersion: ${json(one['apiVersion'])}\nkind: ${json(one['kind'])}\nmetadata:\n  name: merged\n  <<: {namespace: team, name: other}\n`,
  ([one]) => `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},${json(one).slice(1)}`,
  ([one]) => `${json(one)}\n${json(secret)}\n`,
  ([one]) => `--- ${json(one)}\n`,
  ([one]) => `${json(one)}\n...\n${json(secret)}\n`,
  ([one]) => `%YAML 1.1\n---\n${json(one)}\n`,
  ([one]) => `\ufeff${json(one)}`,
  ([one]) => json(one).replaceAll('"items"', '"it\\u0065ms"').replaceAll('"namespace"', '"name\\u0073pace"'),
  ([one]) => json(one).replace('"kind":', '"k\\u0069nd":'),
];

let made = 0;
const fresh = fc.constant(undefined).map(() => `object-${made++}`);

/** A text with one object or a few. */
export const manifest: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom(...forms), fresh, fresh)
  .chain(([form, one, two]) => fc.tuple(object(one), object(two)).map((objects) => form(objects)));
