import { isList, isObject, type Json } from '../json.ts';
import type { Findings } from './findings.ts';

/**
 * The Pod Security Standard "Baseline", one key at a time (kubernetes.io/docs/concepts/security/pod-security-standards; the code is
 * k8s.io/pod-security-admission), as of Kubernetes 1.34. It is stricter in what it leaves out and a node can be lost by: flexVolume
 * runs a program on the node as root, gitRepo did so by CVE-2024-10220.
 */
export function judgeKey(key: string, value: Json, findings: Findings): void {
  const judge = judges.get(key);
  if (judge === undefined) return;
  if (typeof judge === 'string') {
    if (isSet(value)) findings.beyondBaseline.add(judge);
  } else judge(value, findings);
}

/** Set to something: null and false are how a field is left alone or taken away. */
const isSet = (value: Json | undefined): boolean =>
  value !== undefined && value !== null && value !== false && value !== '' && !(isList(value) && value.length === 0);

type Judge = (value: Json, findings: Findings) => void;

/** A value other than those that are allowed, or unset. */
const oneOf =
  (reason: string, allowed: readonly Json[]): Judge =>
  (value, { beyondBaseline }) => {
    if (isSet(value) && !allowed.includes(value)) beyondBaseline.add(reason);
  };

const typeOf =
  (reason: string): Judge =>
  (value, { beyondBaseline }) => {
    if (!isObject(value)) return;
    if (isSet(value.type) && value.type !== 'RuntimeDefault' && value.type !== 'Localhost') beyondBaseline.add(reason);
  };

const allowedCapabilities = new Set<Json>([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

const capabilities: Judge = (value, { beyondBaseline }) => {
  const add = isObject(value) ? value.add : value;
  // A JSON patch that adds one leaves an object with its index here.
  const added = isObject(add) ? Object.values(add) : add;
  const harmless = isList(added) && added.every((one) => allowedCapabilities.has(one));
  if (isSet(added) && !harmless) beyondBaseline.add('added capabilities');
};

const allowedSysctls = new Set<Json>([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);

const sysctls: Judge = (value, { beyondBaseline }) => {
  const list = isObject(value) ? Object.values(value) : value;
  const safe =
    isList(list) && list.every((one) => isObject(one) && one.name !== undefined && allowedSysctls.has(one.name));
  if (isSet(list) && !safe) beyondBaseline.add('sysctls');
};

const selinuxTypes = ['container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'];

const seLinux: Judge = (value, { beyondBaseline }) => {
  if (!isObject(value)) return;
  const type = value.type ?? '';
  const usual = type === '' || (typeof type === 'string' && selinuxTypes.includes(type));
  if (!usual || isSet(value.user) || isSet(value.role)) beyondBaseline.add('SELinux options');
};

/** A probe or a hook that asks another host than the pod goes round network policies (the Standards, since 1.34). */
const probe: Judge = (value, { beyondBaseline }) => {
  if (isObject(value) && isSet(value.host)) beyondBaseline.add('a probe or hook of another host');
};

const annotations: Judge = (value, { beyondBaseline }) => {
  if (!isObject(value)) return;
  for (const [key, text] of Object.entries(value)) {
    if (isUnconfined(key, text)) beyondBaseline.add('an unconfined AppArmor or seccomp profile');
  }
};

/** The forms before seccompProfile and appArmorProfile; AppArmor's still works. */
const isUnconfined = (key: string, value: Json): boolean => {
  const text = typeof value === 'string' ? value : '';
  if (key.startsWith('container.apparmor.security.beta.kubernetes.io/')) {
    return isSet(value) && text !== 'runtime/default' && !text.startsWith('localhost/');
  }
  return /^(?:container\.)?seccomp\.security\./u.test(key) && text === 'unconfined';
};

/** A service account is not a matter of the Standards: which one a pod may use is a question of its own. */
const account: Judge = (value, { serviceAccounts }) => {
  const name = isObject(value) ? value.name : value;
  if (isSet(name) && name !== 'default') serviceAccounts.add(typeof name === 'string' ? name : '');
};

const judges: ReadonlyMap<string, string | Judge> = new Map<string, string | Judge>([
  ['hostNetwork', 'hostNetwork'],
  ['hostPID', 'hostPID'],
  ['hostIPC', 'hostIPC'],
  ['hostProcess', 'a Windows host process'],
  ['privileged', 'a privileged container'],
  ['hostPath', 'hostPath'],
  ['flexVolume', 'a flexVolume'],
  ['gitRepo', 'a gitRepo volume'],
  ['hostPort', oneOf('hostPort', [0])],
  ['procMount', oneOf('procMount', ['Default'])],
  ['capabilities', capabilities],
  ['sysctls', sysctls],
  ['seLinuxOptions', seLinux],
  ['seccompProfile', typeOf('an unconfined seccomp profile')],
  ['appArmorProfile', typeOf('an unconfined AppArmor profile')],
  ['httpGet', probe],
  ['tcpSocket', probe],
  ['annotations', annotations],
  ['serviceAccountName', account],
  ['serviceAccount', account],
]);
