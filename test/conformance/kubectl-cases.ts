/**
 * Commands for the conformance suite, by verb. Each is interpreted, sent to a real kubectl, and what that asks of the API server is
 * compared with our attributes. `shop` is the default namespace; the objects are in kubectl-cluster.ts.
 */

/** Files of every request; only those that a command uses are sent. */
export const uploads: Readonly<Record<string, string>> = {
  'web.yaml': `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example/web:2"}]}
`,
  'fresh.yaml': `apiVersion: v1
kind: ConfigMap
metadata: {name: fresh}
data: {mode: "0644"}
---
apiVersion: v1
kind: Service
metadata: {name: fresh}
spec: {ports: [{port: 80}], selector: {app: web}}
`,
  'list.json': `{"apiVersion":"v1","kind":"List","items":[
 {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one"}},
 {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"two","namespace":"default"}}]}`,
  'cluster.yaml': `apiVersion: v1
kind: Namespace
metadata: {name: team}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader, namespace: ignored}
rules: []
`,
  'rbac.yaml': `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: viewers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: ServiceAccount, name: builder, namespace: shop}]
`,
  'config.yaml': `apiVersion: v1
kind: ConfigMap
metadata: {name: web-config}
data: {mode: plain}
`,
  'widget.yaml': `apiVersion: example.com/v1
kind: Widget
metadata: {name: gear}
spec: {size: 3}
`,
  'random.yaml': `apiVersion: v1
kind: Pod
metadata: {generateName: probe-}
spec: {containers: [{name: probe, image: probe}]}
`,
  'job.yaml': `apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: once, image: once}]}
`,
  'folder/a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n',
  'folder/b.yml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n',
  'folder/notes.txt': 'no manifest',
  'folder/deeper/c.json': '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}',
  'data/settings.ini': 'a = 1\n',
  'data/env': 'A=1\nB=2\n',
  'tls/cert.pem': '-----BEGIN CERTIFICATE-----\n',
  'patch.yaml': 'spec: {replicas: 4}\n',
  'columns.txt': 'NAME KIND\n.metadata.name .kind\n',
  'names.tmpl': '{{range .items}}{{.metadata.name}} {{end}}',
};

export interface Case {
  readonly command: string;
  readonly stdin?: string | undefined;
  /** The first kubectl that knows its flags. */
  readonly since?: string | undefined;
  /** It would go on: it is ended as soon as this verb was asked for. */
  readonly endless?: string | undefined;
}

/** Longer than a label may be, as long as a name may be. */
export const LONG_NAME = 'an-application-whose-name-is-longer-than-the-sixty-three-characters-of-a-label';

const plain = (...commands: readonly string[]): Case[] => commands.map((command) => ({ command }));

export const cases: readonly Case[] = [
  // get
  ...plain(
    'get pods',
    'get pod web-1',
    'get pods web-1 db-0',
    'get po',
    'get po/web-1 deploy/web',
    'get pods,services',
    'get pod,svc web-1',
    'get Deployment',
    'get deployments.apps',
    'get deployments.v1.apps web',
    'get secrets.v1.',
    'get secret db',
    'get secret db -o yaml',
    'get secret db -o jsonpath={.data.password}',
    'get all',
    'get all -l app=web',
    'get all -A',
    'get pods -A',
    'get pods --all-namespaces -o wide',
    'get pods -A -o json',
    'get pods -A --field-selector status.phase=Running',
    'get events -A --field-selector type=Warning',
    'get deploy,rs -A -l app=web',
    'get secrets -A',
    'get nodes',
    'get node node-1',
    'get nodes -A',
    'get ns',
    'get ns shop',
    'get namespaces -o name',
    'get events',
    'get events --sort-by=.lastTimestamp',
    'get events.events.k8s.io',
    'get ingress',
    'get ing/shop',
    'get netpol',
    'get hpa',
    'get hpa.autoscaling web',
    'get cj,job',
    'get sts db',
    'get ds agent -n kube-system',
    'get rs',
    'get pvc data',
    'get pv',
    'get sc',
    'get sa builder',
    'get cm web-config -o yaml',
    'get endpoints',
    'get ep web',
    'get endpointslices',
    'get quota',
    'get limits',
    'get pdb',
    'get roles,rolebindings',
    'get clusterroles',
    'get clusterrole view -o yaml',
    'get clusterrolebindings',
    'get crd',
    'get csr',
    'get leases -n kube-node-lease',
    'get priorityclasses',
    'get pc',
    'get runtimeclasses',
    'get csidrivers',
    'get csinodes',
    'get volumeattachments',
    'get validatingwebhookconfigurations',
    'get mutatingwebhookconfigurations',
    'get apiservices',
    'get flowschemas',
    'get controllerrevisions',
    'get podtemplates',
    'get rc',
    'get widgets',
    'get wd gear',
    'get widgets.example.com -A',
    'get fleets',
    'get fleet main',
    'get pods.metrics.k8s.io',
    'get nodes.v1beta1.metrics.k8s.io',
    'get pods -o custom-columns=NAME:.metadata.name',
    'get pods -o custom-columns-file=columns.txt',
    'get pods -o go-template-file=names.tmpl',
    "get pods -o jsonpath='{.items[*].metadata.name}'",
    'get pods -o go-template={{len_.items}}'.replace('{{len_.items}}', "'{{len .items}}'"),
    'get pods --show-labels -L app --no-headers',
    'get pods --server-print=false',
    'get pods --chunk-size=1',
    'get pods --ignore-not-found -l none=here',
    'get pod gone --ignore-not-found',
    'get pod gone',
    'get deploy web --subresource=scale',
    'get deploy web --subresource=status',
    'get -f web.yaml',
    'get -f list.json',
    'get -f fresh.yaml -o name',
    'get pods -n default',
    'get --namespace kube-system pods -v=3',
    'get pods --request-timeout=20s',
    'get deploy -o yaml --show-managed-fields',
  ),
  { command: 'get pods -w', endless: 'watch' },
  { command: 'get pod web-1 --watch', endless: 'watch' },
  { command: 'get pods -A -w', endless: 'watch' },
  { command: 'get deploy -l app=web --watch -o name', endless: 'watch' },
  {
    command: 'get pods --watch-only',
    endless: 'watch',
  },
  // What has namespaces and what has none, asked apart.
  ...plain(
    'get pv,pvc -A',
    'get pods,nodes,svc -A -o wide',
    'get ns,secrets -A -o name',
    'get hpa.v1.autoscaling web',
    "get -f 'folder/*.yaml'",
  ),
  { command: 'get -f -', stdin: 'apiVersion: v1\nkind: Pod\nmetadata: {name: web-1}\n' },

  // describe
  ...plain(
    'describe pod web-1',
    'describe pods',
    'describe pods -l app=web',
    'describe deploy web',
    'describe deploy',
    'describe rs',
    'describe sts db',
    'describe ds agent -n kube-system',
    'describe job once',
    'describe cj nightly',
    'describe hpa web',
    'describe node node-1',
    'describe nodes',
    'describe ns shop',
    'describe cm web-config',
    'describe secret db',
    'describe sa builder',
    'describe pvc data',
    'describe pv data',
    'describe sc managed-csi',
    'describe netpol deny',
    'describe quota shop',
    'describe limits shop',
    'describe pdb web',
    'describe role deployer',
    'describe rolebinding deployers',
    'describe clusterrole view',
    'describe clusterrolebinding admins',
    'describe crd widgets.example.com',
    'describe csr joining',
    'describe widgets gear',
    'describe fleet main',
    'describe pods --show-events=false',
    'describe lease node-1 -n kube-node-lease',
    'describe ep web',
    'describe endpointslice web-1',
    'describe ingressclass web',
    'describe pc high',
    'describe -f web.yaml',
    'describe pod web-1 db-0',
    'describe rc old',
    'describe pods we',
    'describe cm web',
    'describe pod/web-1',
    'describe pods -A',
    'describe deploy,nodes -A -l app=web',
    'describe secrets -A',
  ),
  ...plain('describe svc web', 'describe services'),
  ...plain('describe ing shop', 'describe ingress'),

  // logs
  ...plain(
    'logs web-1',
    'logs pod/web-1 -c web',
    'logs web-1 web',
    'logs web-1 --all-containers --timestamps',
    'logs web-1 --since=1h --tail=5',
    'logs deploy/web',
    'logs job/once',
    'logs sts/db',
    'logs svc/web',
    'logs rs/web-abc',
    'logs -l app=web',
    'logs -l app=web --prefix --max-log-requests=3',
    'logs web-1 -p',
    'logs web-1 --limit-bytes=10',
    'logs ds/agent -n kube-system',
    'logs rc/old --tail=1',
    'logs deploy/web -c web --since=5m',
  ),

  { command: 'logs deployment/web --all-pods', since: '1.31' },
  ...plain('events -A', 'events -A --types=Warning --for=deploy/web -o json'),

  // exec, attach, cp: the emulated cluster runs none, but the requests are made.
  ...plain(
    'exec web-1 -- ls',
    'exec pod/web-1 -c web -- sh -c "echo a; echo b"',
    'exec deploy/web -- date',
    'exec svc/web -- date',
    'attach web-1',
    'attach deploy/web',
    'attach svc/web',
    'exec sts/db -c web -- date',
    'exec rs/web-abc -- date',
    'exec job/once -- date',
    'cp data/settings.ini web-1:/tmp/settings.ini',
    'cp data/settings.ini default/kept:/tmp/ -c web',
    'cp data web-1:/tmp/data',
    'exec -it web-1 -- ls',
    'exec -i deploy/web -- date',
    'attach -it web-1',
    'cp web-1:/tmp/x -',
    'cp default/kept:/tmp/x x -c web',
  ),
  // Nothing runs pods there, so that the pod never starts.
  ...plain(
    'run tmp --image=busybox --rm -i --restart=Never --pod-running-timeout=1s -- date',
    'run web-1 --image=busybox --rm -it --pod-running-timeout=1s -- date',
    'run tmp --image=busybox --attach --quiet --pod-running-timeout=1s -- date',
  ),
  { command: 'exec -i web-1 -- cat', stdin: 'hello' },

  // delete
  ...plain(
    'delete pod web-1',
    'delete pods web-1 db-0',
    'delete deploy/web svc/web',
    'delete pod web-1 --now',
    'delete pod web-1 --force --grace-period=0',
    'delete pod web-1 --cascade=orphan',
    'delete deploy web --cascade',
    'delete ns team',
    'delete node node-1',
    'delete widget gear',
    'delete fleet main',
    'delete -f web.yaml',
    'delete -f cluster.yaml --ignore-not-found',
    'delete pod gone --ignore-not-found',
    'delete secret db -o name',
  ),
  { command: 'delete -f folder' },
  ...plain(
    'delete pod web-1 --wait=false',
    'delete pods --all',
    'delete pods -l app=web',
    'delete pods,services -l app=web',
    'delete pods --field-selector metadata.name=web-1',
    'delete pods -A -l app=web',
    'delete pods --all -A',
  ),
  { command: 'delete all -l app=none' },
  ...plain('delete pod web-1 --dry-run=client', 'delete pod web-1 --dry-run=server'),
  ...plain('delete pods --all --dry-run=client'),

  // apply, create, replace, diff
  ...plain(
    'apply -f web.yaml',
    'apply -f widget.yaml',
    'apply -f job.yaml',
    'apply -f web.yaml -o yaml',
    'apply -f web.yaml --validate=false',
    'apply -f web.yaml --server-side',
    'apply -f web.yaml -l app=web',
    'apply -f web.yaml --dry-run=server',
    'diff -f web.yaml',
    'diff -f web.yaml --server-side',
  ),
  ...plain(
    'apply -f fresh.yaml',
    'apply -f fresh.yaml -n default',
    'apply -f list.json',
    'apply -f folder',
    'apply -f folder -R',
    'apply -f folder/a.yaml,folder/b.yml',
    'apply -f cluster.yaml',
    'apply -f rbac.yaml',
    'diff -f fresh.yaml',
  ),
  {
    command: 'apply -f -',
    stdin: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: piped}\n',
  },
  {
    command: 'apply -f fresh.yaml --server-side --force-conflicts --field-manager=ci',
  },
  {
    command: 'apply -f web.yaml --force',
  },
  { command: 'apply -f web.yaml --dry-run=client' },
  { command: 'apply -f fresh.yaml --dry-run=client' },
  ...plain(
    'apply view-last-applied deploy/web',
    'apply view-last-applied -f web.yaml -o json',
    'apply set-last-applied -f web.yaml --create-annotation',
    'create -f fresh.yaml',
    'create -f random.yaml',
    'create -f rbac.yaml',
    'create -f list.json --save-config',
    'create -f folder -R',
    'create -f fresh.yaml -o name',
    'create -f fresh.yaml --dry-run=server',
    'replace -f web.yaml',
    'replace -f config.yaml --save-config',
    'replace -f web.yaml --force',
  ),
  {
    command: 'replace -f web.yaml --subresource=status',
  },
  {
    command: 'apply -f web.yaml --server-side --subresource=status',
    since: '1.32',
  },
  { command: 'create -f -', stdin: '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"piped"}}' },
  { command: 'create -f fresh.yaml --dry-run=client' },
  { command: 'create -f config.yaml -o yaml' },

  // create KIND
  ...plain(
    'create clusterrole readers --verb=get,list --resource=pods',
    'create clusterrole urls --verb=get --non-resource-url=/logs/*'.replace('/logs/*', "'/logs/*'"),
    'create clusterrolebinding ops --clusterrole=view --group=ops',
    'create role readers --verb=get --resource=pods --resource-name=web-1',
    'create rolebinding ops --clusterrole=view --user=ann',
    'create rolebinding ops --role=deployer --serviceaccount=shop:builder',
    'create configmap settings --from-file=data/settings.ini',
    'create configmap settings --from-file=ini=data/settings.ini --from-literal=a=b',
    'create configmap settings --from-file=data',
    'create cm settings --from-env-file=data/env',
    'create cm settings --from-literal=a=b --append-hash',
    'create secret generic extra --from-literal=a=b --append-hash',
    'create secret generic extra --from-literal=password=x',
    'create secret generic extra --from-file=data/settings.ini --type=Opaque',
    'create secret docker-registry pull --docker-server=registry.example --docker-username=u --docker-password=p',
    'create deployment fresh --image=web:1 --replicas=2 --port=80',
    'create deployment fresh --image=web:1 -- sleep 60',
    'create job import --image=import -- import --all',
    'create job import --from=cronjob/nightly',
    'create cronjob hourly --image=report --schedule="0 * * * *" -- report',
    'create ingress front --rule="shop.example/*=web:80"',
    'create namespace team',
    'create ns team',
    'create pdb two --selector=app=web --min-available=1',
    'create priorityclass urgent --value=1000 --description=urgent',
    'create quota small --hard=pods=3',
    'create serviceaccount runner',
    'create sa runner -n default',
    'create service clusterip fresh --tcp=80:8080',
    'create service nodeport fresh --tcp=80 --node-port=30080',
    'create service loadbalancer fresh --tcp=80',
    'create service externalname fresh --external-name=shop.example',
    'create token builder',
    'create token builder --duration=10m --audience=vault',
    'create configmap settings --from-literal=a=b --dry-run=server',
  ),
  {
    command: 'create deployment fresh --image=web --dry-run=client -o yaml',
  },
  { command: 'create configmap settings --from-literal=a=b -o json' },

  // scale, rollout
  ...plain(
    'scale deploy/web --replicas=3',
    'scale deploy web --replicas=3',
    'scale sts/db --replicas=2',
    'scale rs/web-abc --replicas=0',
    'scale deploy --all --replicas=1',
    'scale deploy -l app=web --replicas=1',
    'scale deploy/web --replicas=3 --current-replicas=2',
    'scale deploy/web --replicas=2 --timeout=2s',
    'rollout restart deploy/web',
    'rollout restart deploy web',
    'rollout restart ds/agent -n kube-system',
    'rollout restart sts db',
    'rollout restart deploy',
    'rollout restart deploy -l app=web',
    'rollout restart -f web.yaml',
    'rollout pause deploy/web',
    'rollout status deploy/web --timeout=3s',
    'rollout status sts/db --timeout=3s',
    'rollout status deploy/web --watch=false',
    'rollout history deploy/web',
    'rollout history deploy/web --revision=1',
    'rollout history ds/agent -n kube-system',
    'rollout history sts/db',
  ),
  {
    command: 'rollout resume deploy/web',
  },
  { command: 'scale -f web.yaml --replicas=2' },
  ...plain('rollout undo deploy/web', 'rollout undo sts/db', 'rollout undo deploy/web --to-revision=1'),
  { command: 'scale deploy/web --replicas=3 --dry-run=client' },
  { command: 'scale deploy/web --replicas=3 --dry-run=server' },

  // patch, label, annotate, taint, set
  ...plain(
    `patch deploy web -p '{"spec":{"replicas":4}}'`,
    `patch deploy/web --type=merge -p '{"metadata":{"labels":{"a":"b"}}}'`,
    `patch deploy web --type=json -p '[{"op":"add","path":"/metadata/labels/x","value":"y"}]'`,
    'patch deploy web --patch-file=patch.yaml',
    `patch cm web-config -p '{"data":{"x":"y"}}' -o yaml`,
    `patch deploy web --subresource=scale --type=merge -p '{"spec":{"replicas":4}}'`,
    `patch widget gear --type=merge -p '{"spec":{"size":4}}'`,
    `patch node node-1 -p '{"spec":{"unschedulable":true}}'`,
    'label pod web-1 tier=front',
    'label pods web-1 db-0 tier=front --overwrite',
    'label pod web-1 app-',
    'label pods --all tier=front',
    'label pods -l app=web tier=front',
    'label pods -A -l app=web tier=front',
    'label ns shop team=a',
    'label node node-1 rack=b',
    'label pod web-1 --list',
    'label -f web.yaml tier=front',
    'annotate pod web-1 note=hello',
    'annotate deploy/web example.com/why="a good reason"',
    'annotate pods --all note=hello',
    'annotate pod web-1 note-',
    'taint nodes node-1 gone=soon:NoSchedule',
    'taint node node-1 node-2 gone=soon:NoExecute',
    'taint nodes --all gone=soon:NoSchedule',
    'taint nodes -l zone=a gone=soon:NoSchedule',
    'set image deploy/web web=registry.example/web:3',
    "set image deploy/web '*=registry.example/web:3'",
    'set image deploy --all web=registry.example/web:3',
    'set image deploy -l app=web web=registry.example/web:3',
    'set image -f web.yaml web=registry.example/web:3',
    'set env deploy/web MODE=fast',
    'set env deploy/web MODE-',
    'set env deploy/web -e MODE=fast -c web',
    'set env deploy --all MODE=fast',
    'set env deploy/web --from=configmap/web-config',
    'set env deploy/web --from=secret/db --prefix=DB_',
    'set resources deploy/web --limits=cpu=200m',
    'set resources deploy/web -c web --requests=memory=64Mi',
    'set serviceaccount deploy/web default',
    'set sa deploy/web builder',
    'set selector svc web app=api',
    'set subject rolebinding deployers --user=ann',
    'set subject clusterrolebinding admins --group=ops',
  ),
  {
    command: 'set env deploy/web --list',
  },
  { command: 'set env deploy/secretive --list --resolve' },
  { command: `patch -f web.yaml -p 'spec: {replicas: 5}'` },
  { command: 'label pod web-1 tier=front --dry-run=client' },
  { command: 'set image deploy/web web=web:3 --dry-run=client' },

  // nodes
  ...plain(
    'cordon node-1',
    'cordon node/node-1',
    'cordon -l zone=a',
    'drain node-1 --ignore-daemonsets --force --delete-emptydir-data --timeout=5s',
  ),
  { command: 'uncordon node-2' },
  { command: 'cordon node-1 --dry-run=client' },
  {
    command: 'drain node-1 --ignore-daemonsets --force --delete-emptydir-data --disable-eviction --timeout=5s',
  },
  {
    command: 'drain node-1 --dry-run=client --ignore-daemonsets --force --delete-emptydir-data',
  },

  // wait, events, top
  ...plain(
    'wait pod/web-1 --for=condition=Ready --timeout=2s',
    "wait deploy/web --for=jsonpath='{.status.availableReplicas}'=2 --timeout=2s",
    'wait -f web.yaml --for=condition=Available --timeout=2s',
    'events',
    'events --for pod/web-1',
    'events -n default',
    'events --for=deployments.apps/web --types=Warning',
    'events -o yaml',
    'top pod',
    'top pods -l app=web',
    'top pod -A',
    'top pods --field-selector=metadata.name=web-1',
    'top pod web-1',
    'top pod web-1 --containers',
    'top node',
    'top nodes --no-headers',
    'top node node-1',
  ),
  {
    command: 'wait pod/gone --for=delete --timeout=2s',
  },
  { command: 'wait pod/web-1 --for=delete --timeout=1s' },
  ...plain(
    "wait deploy --all --for=jsonpath='{.metadata.name}' --timeout=2s",
    "wait pods -l app=web --for=jsonpath='{.metadata.name}' --timeout=2s",
    "wait pods -A -l app=web --for=jsonpath='{.metadata.name}' --timeout=2s",
  ),
  { command: 'wait pods -l app=web --for=delete --timeout=1s' },
  {
    command: 'events -w',
    endless: 'watch',
  },

  // auth, certificates, run, debug, expose, autoscale
  ...plain(
    'auth can-i get pods --in-cluster',
    'auth can-i create deployments.apps/web --subresource=scale --in-cluster',
    'auth can-i list secrets -A --in-cluster',
    'auth can-i get /healthz --in-cluster',
    'auth can-i --list --in-cluster',
    'auth whoami --in-cluster',
    'certificate approve joining',
    'certificate deny joining',
    'run probe --image=probe',
    'run probe --image=probe --restart=Never --env=A=b -- sleep 60',
    'run probe --image=probe --port=80 --expose',
    'run probe --image=probe --privileged',
    'debug web-1 --image=busybox',
    'debug pod/web-1 --image=busybox --target=web -- sh',
    'debug web-1 --image=busybox --copy-to=web-copy',
    'debug web-1 --image=busybox --copy-to=web-copy --replace',
    'expose deploy web --port=80 --name=fresh',
    'expose svc web --port=80 --name=fresh',
    'expose pod web-1 --port=80 --selector=app=web --name=fresh',
    'autoscale deploy api --min=1 --max=3',
    `autoscale deploy ${LONG_NAME} --max=3`,
    `expose deploy ${LONG_NAME} --port=80`,
    'autoscale deploy/web --max=3 --cpu-percent=80 --name=fresh',
  ),
  { command: 'run probe --image=probe --dry-run=client -o yaml' },

  // what asks for nothing of a resource
  ...plain(
    'version',
    'version --client -o json',
    'api-versions',
    'api-resources',
    'api-resources --namespaced=false --verbs=list -o name',
    'explain pods',
    'explain deployments.spec.replicas --api-version=apps/v1',
    'cluster-info',
    'cluster-info -n default',
  ),
];
