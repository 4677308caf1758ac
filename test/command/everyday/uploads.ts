import { gzipSync } from 'node:zlib';
import type { RequestFile } from '../../../shared/command/invocation.ts';
import { tarOf } from './tar.ts';

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example/web:2"}]}
`;
const service =
  'apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}], selector: {app: web}}\n';
const pod =
  '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"name":"web","image":"web"}]}}';
const chart = {
  'Chart.yaml': 'apiVersion: v2\nname: web\nversion: 1.2.3\n',
  'values.yaml': 'image: {tag: v1}\n',
  'templates/deployment.yaml': deployment,
};

/** What the commands of the list send with them, and what `-f -` reads. */
const files: Readonly<Record<string, string>> = {
  'my-manifest.yaml': deployment,
  'my1.yaml': deployment,
  'my2.yaml': service,
  'dir/a.yaml': deployment,
  'pod.json': pod,
  'pod.yaml': pod,
  'foo.yaml': deployment,
  'service.yaml': service,
  'shop.yaml': deployment,
  'busybox-pv.yaml': pod,
  'my-rbac-rules.yaml': 'apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: reader}\nrules: []\n',
  'k8s/app.yaml': deployment,
  'k8s/service.yaml': service,
  'overlays/prod/kustomization.yaml': 'resources: [../../k8s]\n',
  'username.txt': 'admin',
  'password.txt': 'S3cret',
  'configure/game.properties': 'lives=3\n',
  'app.env': 'MODE=plain\n',
  'foo_dir/a.txt': 'a',
  foo: 'a',
  'values.yaml': 'image: {tag: v2}\n',
  ...Object.fromEntries(Object.entries(chart).map(([path, text]) => [`chart/${path}`, text])),
};

export const uploads: readonly RequestFile[] = [
  ...Object.entries(files).map(([path, text]) => ({ path, bytes: Buffer.from(text) })),
  {
    path: 'web-1.2.3.tgz',
    bytes: gzipSync(tarOf(Object.entries(chart).map(([path, text]) => ({ path: `web/${path}`, text })))),
  },
];

export const stdin = deployment;
