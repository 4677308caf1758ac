import { describe, expect, test } from '@jest/globals';
import {
  asked,
  configMap,
  deployment,
  expectAllowed,
  expectDenied,
  expectRefused,
  explain,
  list,
  object,
  pod,
  template,
} from './support.ts';

// Ways to a process in a pod that are not called exec.

describe('exec by another door', () => {
  test.each([
    ['kubectl debug web --image=busybox', 'pods/ephemeralcontainers'],
    ['kubectl debug web --image=busybox -- sh -c id', 'pods/ephemeralcontainers'],
    ['kubectl debug pod/web --image=busybox --target=web', 'pods/ephemeralcontainers'],
  ])('%s changes ephemeral containers, which no * allows', async (line, resource) => {
    expect(asked(await explain(line))).toContain(`patch ${resource} shop/web`);
    await expectDenied(line, resource, { as: 'starred' });
    await expectDenied(line, resource, { as: 'viewer' });
  });

  test.each([
    ['kubectl run p --image=i --overrides={}', '--overrides'],
    ['kubectl run p --image=i --overrides {"spec":{"hostNetwork":true}}', '--overrides'],
    ['kubectl run p --image=i --override-type=json', '--override-type'],
    ['kubectl run p --image=i -t', '--tty'],
    ['kubectl run p --image=i -it --rm -- /bin/bash', '--tty'],
    ['kubectl run p --image=i --rm --expose --port=80', '--expose'],
    ['kubectl run p --image=i --rm --restart=Always', '--restart=Always'],
    ['kubectl run p --image=i --rm -o yaml', '--output'],
    ['kubectl run p --image=i --rm --overrides={}', '--overrides'],
    ['kubectl expose deployment web --overrides={}', '--overrides'],
    ['kubectl debug node/aks-1 --image=busybox', 'nodes/aks-1'],
    ['kubectl debug deployment/web --image=busybox', 'deployments/web'],
    ['kubectl debug web --image=busybox -it', 'debug'],
    ['kubectl debug web --image=busybox --custom=spec.json', '--custom'],
  ])('%s is refused', (line, word) => expectRefused(line, word));

  const reasons: readonly [string, object][] = [
    ['hostPath', { volumes: [{ name: 'v', hostPath: { path: '/' } }] }],
    ['a flexVolume', { volumes: [{ name: 'v', flexVolume: { driver: 'a/b' } }] }],
    ['a gitRepo volume', { volumes: [{ name: 'v', gitRepo: { repository: 'https://attacker.example' } }] }],
    ['SELinux options', { securityContext: { seLinuxOptions: { type: 'spc_t' } } }],
    ['hostNetwork', { hostNetwork: true }],
    ['hostPID', { hostPID: true }],
    ['hostIPC', { hostIPC: true }],
    ['hostPort', { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 1, hostPort: 1 }] }] }],
    ['a privileged container', { containers: [{ name: 'c', image: 'i', securityContext: { privileged: true } }] }],
    ['a privileged container', { initContainers: [{ name: 'c', image: 'i', securityContext: { privileged: true } }] }],
    [
      'added capabilities',
      { containers: [{ name: 'c', image: 'i', securityContext: { capabilities: { add: ['SYS_ADMIN'] } } }] },
    ],
  ];
  const cronJob = (spec: object): object => ({
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'p' },
    spec: { schedule: '0 0 * * *', jobTemplate: { spec: { template: template(spec) } } },
  });

  test.each(reasons)('%s in a manifest: podSecurity: privileged or nothing, %j', async (reason, spec) => {
    for (const manifest of [pod(spec), deployment(spec), cronJob(spec), list(configMap, list(deployment(spec)))]) {
      const files = { 'app.json': object(manifest) };
      await expectDenied('kubectl apply -f app.json', 'podSecurity: privileged', { files, as: 'unprivileged' });
      await expectAllowed('kubectl apply -f app.json', { files });
    }
    const files = { 'app.json': object(pod(spec)) };
    for (const line of [
      'kubectl create -f app.json',
      'kubectl replace -f app.json',
      'kubectl replace --force -f app.json',
      'kubectl apply --server-side -f app.json',
      'kubectl apply --dry-run=server -f app.json',
    ]) {
      await expectDenied(line, reason, { files, as: 'unprivileged' });
      await expectAllowed(line, { files });
    }
    await expectDenied('kubectl apply -f -', reason, { stdin: object(pod(spec)), as: 'unprivileged' });
    const patch = object({ spec: { template: { spec } } });
    await expectDenied(['kubectl', 'patch', 'deployment', 'web', '-p', patch], reason, { as: 'unprivileged' });
    await expectDenied('kubectl patch deployment web --type=merge --patch-file=p.json', reason, {
      files: { 'p.json': patch },
      as: 'unprivileged',
    });
  });

  test.each(['hostPath', 'local', 'flexVolume'])(
    'a persistent volume of kind %s is the disk of a node',
    async (kind) => {
      const volume = {
        apiVersion: 'v1',
        kind: 'PersistentVolume',
        metadata: { name: 'v' },
        spec: { [kind]: { path: '/' } },
      };
      const files = { 'v.json': object(volume) };
      await expectDenied('kubectl apply -f v.json', 'podSecurity: privileged', { files, as: 'unprivileged' });
      await expectAllowed('kubectl apply -f v.json', { files });
    },
  );

  test.each([{ serviceAccountName: 'admin' }, { serviceAccount: 'admin' }])('another identity, %j', async (spec) => {
    for (const manifest of [pod(spec), deployment(spec), cronJob(spec), list(configMap, list(deployment(spec)))]) {
      const files = { 'app.json': object(manifest) };
      for (const line of ['kubectl apply -f app.json', 'kubectl apply --server-side -f app.json']) {
        await expectDenied(line, 'serviceAccounts: [admin]', { files, as: 'unprivileged' });
        await expectAllowed(line, { files });
        await expectAllowed(line, { files, as: 'accounted' });
      }
    }
    const patch = object({ spec: { template: { spec } } });
    const line = ['kubectl', 'patch', 'deployment', 'web', '-p', patch];
    await expectDenied(line, 'serviceAccounts: [admin]', { as: 'unprivileged' });
    await expectAllowed(line, { as: 'accounted' });
    await expectDenied('kubectl set serviceaccount deployment/web other', 'serviceAccounts: [other]', {
      as: 'accounted',
    });
  });

  test('the control: a pod without any of it needs no such rule', async () => {
    for (const manifest of [pod({}), deployment({ serviceAccountName: 'default' }), cronJob({})]) {
      const sent = { files: { 'app.json': object(manifest) }, as: 'unprivileged' } as const;
      await expectAllowed('kubectl apply -f app.json', sent);
    }
  });

  test.each([
    ['kubectl run p --image=i --privileged', 'a privileged container'],
    ['kubectl debug web --image=i --copy-to=p', 'a copy of a pod'],
    ['kubectl create job p --from=cronjob/nightly', 'a template of the cluster'],
    ['kubectl create job p --from=CronJob.v1.batch/nightly --dry-run=server', 'a template of the cluster'],
    ['kubectl debug web --image=i --profile=sysadmin', 'the debugging profile sysadmin'],
    ['kubectl debug web --image=i --profile=netadmin', 'the debugging profile netadmin'],
  ])('%s needs podSecurity: privileged', async (line, reason) => {
    await expectDenied(line, reason, { as: 'unprivileged' });
    await expectDenied(line, 'podSecurity: privileged', { as: 'unprivileged' });
    await expectAllowed(line);
  });
});
