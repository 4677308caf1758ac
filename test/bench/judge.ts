import type { CommandRequest, RequestFile } from '../../shared/command/invocation.ts';
import { interpret } from '../../shared/command/interpret.ts';
import type { PolicyFile, RoleFile, RuleFile } from '../../shared/config/schema.ts';
import type { Principal } from '../../shared/identity/principal.ts';
import { judge } from '../../shared/policy/judge.ts';
import { compilePolicy } from '../../shared/policy/policy.ts';

/**
 * The whole way from words to a verdict: parse, attributes and decision together, on one core, over 20 roles and 200 rules of which
 * the caller holds four. The mix is what a team asks of the gateway in a day, one after the other. Prints one JSON object;
 * `node test/bench/judge.ts`. CPU time of the process: other work on the machine does not count.
 */
const AIM = { perSecond: 50_000, megabyteMs: 150 };

const tenant = '11111111-1111-4111-8111-111111111111';
const oid = '55555555-5555-4555-8555-555555555555';
const team = '66666666-6666-4666-8666-666666666666';

const workloads = ['deployments.apps', 'statefulsets.apps', 'daemonsets.apps'];
const plain = ['services', 'configmaps', 'ingresses.networking.k8s.io', 'horizontalpodautoscalers.autoscaling'];
const all = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'];

/** Ten rules a team: what a platform team writes for each of its twenty. */
function roleOf(name: string): RoleFile {
  const namespaces = [name, `${name}-*`];
  const allow: RuleFile[] = [
    { verbs: ['get', 'list', 'watch'], resources: ['pods', 'pods/log', 'events', 'replicasets.apps'], namespaces },
    { verbs: ['get', 'list', 'watch'], resources: ['jobs.batch', 'cronjobs.batch', 'nodes'], namespaces },
    { verbs: all, resources: workloads, namespaces },
    { verbs: all, resources: plain, namespaces },
    { verbs: ['get', 'patch', 'update'], resources: workloads.map((one) => `${one}/scale`), namespaces },
    { verbs: ['delete'], resources: ['pods'], namespaces, names: ['web-*', 'api-*'], requireReason: true },
    { verbs: ['get', 'list'], resources: ['releases.helm.sh'], namespaces },
    { verbs: ['install', 'upgrade', 'rollback'], resources: ['releases.helm.sh'], namespaces, requireReason: true },
    { verbs: ['create'], resources: ['pods/exec'], namespaces: [`${name}-dev`], requireReason: true },
  ];
  return { allow, deny: [{ resources: ['secrets'], namespaces: [name, 'kube-*'] }] };
}

const teams = ['shop', ...Array.from({ length: 19 }, (_none, index) => `team-${index}`)];
const file: PolicyFile = {
  roles: Object.fromEntries(teams.map((name): [string, RoleFile] => [name, roleOf(name)])),
  bindings: teams.map((role, index) => ({
    role,
    clusters: ['*'],
    subjects: [index < 4 ? { group: team } : { user: `77777777-7777-4777-8777-${String(index).padStart(12, '0')}` }],
  })),
};
const policy = compilePolicy({ policy: file, clusters: new Map([['demo', {}]]), identity: { tenants: [tenant] } });
const principal: Principal = {
  kind: 'user',
  tid: tenant,
  oid,
  azp: 'client',
  uti: 'uti',
  roles: [],
  scopes: ['Commands.Run'],
  groups: { known: true, ids: [team] },
};
const asker = { principal, cluster: { name: 'demo', impersonate: false }, reason: 'INC-1' };
const context = { defaultNamespace: 'shop', resources: [] };

const upload = (path: string, text: string): RequestFile => ({ path, bytes: new TextEncoder().encode(text) });

const deployment = (index: number): string => `# The shop's web server, number ${index}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-${index}
  namespace: shop
  labels: { app: web, tier: "frontend" }
  annotations:
    description: 'It''s what customers see: pages, "baskets"' # kept short
spec:
  replicas: 3
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
        - name: web
          image: "registry.example/shop/web:1.4.${index}"
          args: ["--port", "8080", "--verbose=false"]
          command:
            - /bin/sh
            - -c
            - |
              set -e
              # wait for the database

              until nc -z db 5432; do sleep 1; done
              exec /web
          ports:
          - containerPort: 8080
            protocol: TCP
          env:
            - name: LOG_LEVEL
              value: info
            - name: PASSWORD
              valueFrom: { configMapKeyRef: { name: settings, key: greeting } }
          resources: { requests: { cpu: 100m, memory: 128Mi }, limits: { memory: 256Mi } }
          readinessProbe:
            httpGet: { path: /healthz, port: 8080 }
            periodSeconds: 10
`;
const service = (index: number): string => `apiVersion: v1
kind: Service
metadata:
  name: web-${index}
  namespace: shop
spec:
  selector: { app: web }
  ports:
    - { name: http, port: 80, targetPort: 8080 }
`;
const configMap = (index: number): string => `apiVersion: v1
kind: ConfigMap
metadata:
  name: settings-${index}
  namespace: shop
data:
  # What the pages say.
  greeting: "Welcome to the shop"
  nginx.conf: |
    server {
      listen 8080;

      location / { root /srv; }
    }
${Array.from({ length: 12 }, (_none, key) => `  key-${key}: value ${key} of a setting that is about as long as they are\n`).join('')}`;

const one: CommandRequest = {
  argv: 'kubectl apply -f web.yaml'.split(' '),
  files: [upload('web.yaml', [deployment(1), service(1)].join('---\n'))],
};
const words = (line: string): CommandRequest => ({ argv: line.split(' '), files: [] });
const commands: Readonly<Record<string, CommandRequest>> = {
  get: words('kubectl get pods -n shop -o wide'),
  'get of several kinds': words('kubectl get deploy,svc,cm --namespace=shop --selector=app=web --output=json'),
  describe: words('kubectl describe deployment web -n shop'),
  logs: words('kubectl logs deploy/web -n shop --tail=100 --since=10m'),
  'rollout restart': words('kubectl rollout restart deployment/web -n shop'),
  'rollout status': words('kubectl rollout status deployment/web -n shop --timeout=60s'),
  scale: words('kubectl scale deployment web --replicas=5 -n shop'),
  delete: words('kubectl delete pod web-0 -n shop'),
  'helm status': words('helm status web -n shop'),
  'apply of a small file': one,
};

const run = (request: CommandRequest) => judge(policy, interpret(request, context), asker).decision.verdict;

/** Microseconds of CPU time that each takes: the median of rounds, so that a collection in one of them does not count for all. */
function measure(requests: readonly CommandRequest[], count: number): number {
  const rounds: number[] = [];
  for (let round = 0; round < 9; round++) {
    const start = process.cpuUsage();
    for (let index = 0; index < count; index++) for (const request of requests) run(request);
    const { user, system } = process.cpuUsage(start);
    rounds.push((user + system) / count / requests.length);
  }
  return rounds.toSorted((a, b) => a - b)[rounds.length >> 1] ?? 0;
}

const shown = (microseconds: number) => ({
  microseconds: Number(microseconds.toFixed(2)),
  perSecond: Math.round(1e6 / microseconds),
});

const quick = process.argv.includes('--quick');
const scale = quick ? 200 : 2_000;
for (const [name, request] of Object.entries(commands)) {
  if (run(request) !== 'allow') throw new Error(`${name} is not allowed: the bench would measure something else`);
}
const mix = Object.values(commands);
measure(mix, scale);
const each = Object.entries(commands).map(([name, request]) => [name, shown(measure([request], scale))] as const);
const wordsAlone = mix.filter(({ files }) => files.length === 0);

const documents = Array.from({ length: 520 }, (_none, index) => [deployment(index), service(index), configMap(index)]);
const manifest = documents.flat().join('---\n');
const { sent } = interpret(
  { ...one, argv: ['kubectl', 'apply', '-f', 'all.yaml'], files: [upload('all.yaml', manifest)] },
  context,
);
// The same objects as `kubectl get -o json` would print them.
const written = new TextDecoder().decode(sent.files[0]?.bytes).split('\n');
const items = written.filter((line) => line.startsWith('{')).map((line): unknown => JSON.parse(line));
const asJson = JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, undefined, 1);

function megabyte(name: string, text: string) {
  const request = { argv: ['kubectl', 'apply', '-f', name], files: [upload(name, text)] };
  if (run(request) !== 'allow') throw new Error(`${name} is not allowed`);
  run(request);
  const times = Array.from({ length: quick ? 3 : 9 }, () => measureOnce(request)).toSorted((a, b) => a - b);
  return { bytes: text.length, milliseconds: Number((times[times.length >> 1] ?? 0).toFixed(1)) };
}

function measureOnce(request: CommandRequest): number {
  const start = process.cpuUsage();
  run(request);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

const result = {
  bench: 'judge',
  roles: teams.length,
  rules: teams.length * 10,
  aim: AIM,
  'the mix': shown(measure(mix, scale)),
  'the mix without files': shown(measure(wordsAlone, scale)),
  each: Object.fromEntries(each),
  'apply of a megabyte of YAML': megabyte('all.yaml', manifest),
  'apply of a megabyte of JSON': megabyte('all.json', asJson),
};
process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
