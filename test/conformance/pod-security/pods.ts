import * as fc from 'fast-check';
import type { Json } from '../../../shared/command/json.ts';

/** Pods of all that the Pod Security Standards look at, some of it usual and some not. */
/** Left out in one of `freq` cases. */
const maybe = <T>(arbitrary: fc.Arbitrary<T>, freq = 3): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq });
const one = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

const profile = fc.record({ type: one('RuntimeDefault', 'RuntimeDefault', 'Localhost', 'Unconfined') });
const seLinuxOptions = fc.record(
  {
    type: one('container_t', 'container_init_t', 'spc_t', ''),
    user: one('', 'system_u'),
    role: one('', 'sysadm_r'),
    level: one('s0'),
  },
  { requiredKeys: [] },
);
const capabilities = fc.record(
  {
    drop: one([], ['ALL'], ['ALL'], ['NET_RAW']),
    add: one([], ['NET_BIND_SERVICE'], ['CHOWN'], ['SYS_ADMIN'], ['CHOWN', 'NET_ADMIN']),
  },
  { requiredKeys: [] },
);
const containerSecurity = fc.record(
  {
    privileged: one(false, false, false, true),
    allowPrivilegeEscalation: one(false, false, false, true),
    runAsNonRoot: one(true, true, false),
    runAsUser: one(1000, 1000, 0),
    seccompProfile: profile,
    appArmorProfile: profile,
    seLinuxOptions,
    capabilities,
    procMount: one('Default', 'Default', 'Unmasked'),
  },
  { requiredKeys: [] },
);
const probe = one<Json>(
  { httpGet: { path: '/', port: 80 } },
  { tcpSocket: { port: 80 } },
  { httpGet: { port: 80, host: '10.0.0.1' } },
  { tcpSocket: { port: 80, host: 'db' } },
  { exec: { command: ['true'] } },
);
const container = fc.record(
  {
    name: one('c'),
    image: one('i'),
    securityContext: containerSecurity,
    ports: maybe(
      one([{ containerPort: 80 }], [{ containerPort: 80, hostPort: 0 }], [{ containerPort: 80, hostPort: 80 }]),
      3,
    ),
    livenessProbe: maybe(probe, 3),
    lifecycle: maybe(fc.record({ preStop: probe }), 3),
  },
  { requiredKeys: ['name', 'image'] },
);
/** One that "Restricted" takes, so that not everything is beyond it. */
const good = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
  capabilities: { drop: ['ALL'] },
};
const decent = fc.tuple(container, containerSecurity, fc.boolean()).map(([base, extra, mixed]) => ({
  ...base,
  securityContext: mixed ? { ...extra, ...good } : good,
}));
const volume = one<Json>(
  { emptyDir: {} },
  { configMap: { name: 'a' } },
  { secret: { secretName: 'a' } },
  { projected: { sources: [] } },
  { persistentVolumeClaim: { claimName: 'a' } },
  { csi: { driver: 'a' } },
  { nfs: { server: 'a', path: '/' } },
  { azureFile: { secretName: 'a', shareName: 'b' } },
  { hostPath: { path: '/' } },
  { gitRepo: { repository: 'a' } },
  { flexVolume: { driver: 'a/b' } },
);
const sysctl = one(
  'kernel.shm_rmid_forced',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_rmem',
  'kernel.msgmax',
  'net.core.somaxconn',
);
const podSecurity = fc.record(
  {
    runAsNonRoot: one(true, true, false),
    runAsUser: one(1000, 0),
    seccompProfile: profile,
    appArmorProfile: maybe(profile, 3),
    seLinuxOptions: maybe(seLinuxOptions, 3),
    sysctls: maybe(
      fc.array(
        sysctl.map((name) => ({ name, value: '1' })),
        { maxLength: 2 },
      ),
      3,
    ),
  },
  { requiredKeys: [] },
);

export const pods: fc.Arbitrary<Json> = fc
  .record({
    apiVersion: fc.constant('v1'),
    kind: fc.constant('Pod'),
    metadata: fc.record({
      name: fc.constant('p'),
      annotations: maybe(
        one<Json>(
          { 'container.apparmor.security.beta.kubernetes.io/c': 'runtime/default' },
          { 'container.apparmor.security.beta.kubernetes.io/c': 'localhost/x' },
          { 'container.apparmor.security.beta.kubernetes.io/c': 'unconfined' },
        ),
        1,
      ),
    }),
    spec: fc.record(
      {
        containers: fc.array(fc.oneof({ weight: 4, arbitrary: decent }, container), { minLength: 1, maxLength: 2 }),
        initContainers: maybe(fc.array(decent, { maxLength: 1 }), 3),
        hostNetwork: one(false, false, false, false, true),
        hostPID: one(false, false, false, false, true),
        hostIPC: one(false, false, false, false, true),
        os: maybe(fc.record({ name: one('linux', 'windows') }), 3),
        securityContext: podSecurity,
        volumes: maybe(
          fc.array(
            volume.map((source) => ({ name: 'v', ...(source as object) })),
            { maxLength: 2 },
          ),
          3,
        ),
      },
      { requiredKeys: ['containers'] },
    ),
  })
  // undefined is left out, as in JSON.
  .map((pod) => JSON.parse(JSON.stringify(pod)) as Json);
