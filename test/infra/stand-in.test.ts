import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startKubernetes, type EmulatedKubernetes } from '../../infra/local/kubernetes/server.ts';
import { parseArguments } from '../../infra/local/stand-in/arguments.ts';
import { standIn } from '../../infra/local/stand-in/main.ts';
import { interpret } from '../../shared/command/interpret.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { createRunner, installedKubectls, type Ran } from './real-kubectl.ts';

const manifest = (image: string, env: readonly string[]) =>
  JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'cart', namespace: 'shop', labels: { app: 'cart' } },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'cart' } },
      template: {
        metadata: { labels: { app: 'cart' } },
        spec: { containers: [{ name: 'cart', image, env: env.map((name) => ({ name, value: 'x' })) }] },
      },
    },
  });

let kubernetes: EmulatedKubernetes;
let run: (args: string, input?: string) => Promise<Ran>;
let real: ((args: string, input?: string) => Promise<Ran>) | undefined;

beforeAll(async () => {
  // Ages must not change between two runs.
  kubernetes = await startKubernetes({ clock: createManualClock() });
  const runner = createRunner(kubernetes.kubeconfig());
  const kubeconfig = join(temporaryFolder('stand-in'), 'config');
  writeFileSync(kubeconfig, kubernetes.kubeconfig());
  run = async (args, input = '') => {
    let [out, err] = ['', ''];
    const code = await standIn(args.split(' '), kubeconfig, {
      input: () => input,
      out: (text) => (out += text),
      err: (text) => (err += text),
    });
    return { code, out, err };
  };
  const newest = installedKubectls().at(-1);
  if (newest) real = (args, input) => runner([newest.path], args.split(' '), input);
});
beforeEach(() => kubernetes.reset());
afterAll(() => kubernetes.close());

const attributes = (): string[] =>
  kubernetes.requests
    .filter(({ verb }) => verb !== 'watch')
    .map(({ verb, resource, namespace, name }) => `${verb} ${resource} ${namespace} ${name}`);

const sameAsReal = installedKubectls().length > 0 ? test : test.skip;

describe('the stand-in', () => {
  sameAsReal.each([
    'get pods -n shop',
    'get pods.v1. --all-namespaces=true --field-selector=metadata.namespace!=aks-command',
    'get deployments.v1.apps,services.v1. --output=wide --namespace=shop',
    'get nodes -o wide',
    'get deployments.v1.apps/web services.v1./web --namespace=shop',
    'get pods.v1. --namespace=nope',
    'get deployments.v1.apps/nope --namespace=shop',
    'get deployments.v1.apps/nope --namespace=shop --ignore-not-found=true',
    'get services.v1./web --namespace=shop --output=yaml',
    'get services.v1. --namespace=shop --output=json',
    'get services.v1. --namespace=shop --output=name',
    'get events -n shop',
    'get deploy -l app=web -n shop --no-headers',
    'get nonsense',
    'logs deployments.v1.apps/web --tail=2 --namespace=shop',
    'logs --selector=app=web --namespace=shop --tail=-1',
    'delete pods.v1. --namespace=shop',
    'delete deployments.v1.apps/web --namespace=shop',
    'scale deployments.v1.apps/web --replicas=3 --namespace=shop',
    'rollout restart deployments.v1.apps/web --namespace=shop',
    'rollout status deployments.v1.apps/web --namespace=shop --timeout=30s',
  ])('prints and ends as kubectl does: %s', async (args) => {
    const mine = await run(args);
    kubernetes.reset();
    const theirs = await real?.(args);
    // From 1.34 on kubectl names the namespace of what it deleted.
    expect(mine).toEqual({ ...theirs, out: theirs?.out.replace(/ from \S+ namespace$/m, '') });
  });

  test('applies, changes, takes away what is no longer asked for, and deletes', async () => {
    expect((await run('apply --filename=-', manifest('cart:1', ['A', 'B']))).out).toBe(
      'deployment.apps/cart created\n',
    );
    expect((await run('apply --filename=-', manifest('cart:1', ['A', 'B']))).out).toBe(
      'deployment.apps/cart unchanged\n',
    );
    expect((await run('apply --filename=-', manifest('cart:2', ['B']))).out).toBe('deployment.apps/cart configured\n');
    expect(kubernetes.find('Deployment', 'shop', 'cart')).toMatchObject({
      spec: { template: { spec: { containers: [{ image: 'cart:2', env: [{ name: 'B' }] }] } } },
    });
    expect((await run('delete --filename=-', manifest('cart:2', []))).out).toBe('deployment.apps "cart" deleted\n');
    expect(kubernetes.find('Deployment', 'shop', 'cart')).toBeUndefined();
    expect(attributes().slice(0, 3)).toEqual([
      'get deployments shop cart',
      'create deployments shop ',
      'get deployments shop cart',
    ]);
  });

  test('describes, with events and without the values of secrets', async () => {
    const { out } = await run('describe secrets.v1./db --namespace=shop');
    expect(out).toContain('password: 28 bytes');
    expect(out).not.toContain('Y29ycmVjdC1ob3JzZ');
    expect((await run('describe deployments.v1.apps/web --namespace=shop')).out).toMatch(/Name: +web\n[^]*Events:/);
  });

  test('says in its version that it is not kubectl', async () => {
    expect((await run('version')).out).toMatch(
      /^Client Version: stand-in for kubectl .*not the real one\)\nServer Version: v1\.35/,
    );
  });

  test.each([
    'attach web',
    'get pods --watch=true',
    'get pods -o jsonpath={.items}',
    'apply --prune -f x',
    '',
    'frobnicate',
  ])('refuses what it does not know, and asks nothing: %p', async (args) => {
    const { code, err, out } = await run(args);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/stand-in for kubectl .* does not know/);
    expect(kubernetes.requests).toEqual([]);
  });

  test('fails as kubectl does when the server refuses', async () => {
    kubernetes.allow = ({ resource }) => resource !== 'secrets';
    const { code, err } = await run('get secrets -n shop');
    delete kubernetes.allow;
    expect(code).toBe(1);
    expect(err).toMatch(
      /^Error from server \(Forbidden\): secrets is forbidden: User .* cannot list resource "secrets"/,
    );
  });
});

test.each([
  'exec web -n shop -- ls',
  'get pods -n shop',
  'describe pod web -n shop',
  'logs web -n shop',
  'apply -f a.yaml -n shop',
  'apply --server-side -f a.yaml -n shop',
  'delete pod web -n shop',
  'delete -f a.yaml -n shop',
  'scale deployment/web --replicas=2 -n shop',
  'rollout restart deployment/web -n shop',
  'rollout status deployment/web -n shop',
  'version',
])('knows what the gateway adds to %s', (line) => {
  const bytes = Buffer.from('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n');
  const files = line.includes('a.yaml') ? [{ path: 'a.yaml', bytes }] : [];
  const request = { argv: ['kubectl', ...line.split(' ')], files, timeoutSeconds: 60 };
  const { words } = interpret(request, { defaultNamespace: 'shop', resources: [] }).sent;
  const [verb = ''] = line.split(' ');
  expect(parseArguments(words.slice(1), 'stand-in').verb).toMatch(new RegExp(`^${verb}`));
});
