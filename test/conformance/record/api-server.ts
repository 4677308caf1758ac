import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A real kube-apiserver over a real etcd, on loopback, with its audit log. No kubelet and no controller runs beside it: a pod
 * never starts and a finalizer is never taken off, unless something writes that it is so. build.sh makes the two programs.
 */
export interface ApiServer {
  readonly url: string;
  readonly etcd: string;
  /** `v1.34.4` */
  readonly version: string;
  /** One JSON object a line (audit.k8s.io/v1 Event). */
  readonly auditLog: string;
  /** A kubeconfig for a user of this name, whose context names no namespace. */
  kubeconfig(user: User): string;
  /** The header by which the server knows a user. */
  authorization(user: User): string;
  /** A request by the administrator, who is kept out of the recordings. */
  call(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: unknown }>;
  close(): Promise<void>;
}

/** `asker` may do everything, `stranger` may only discover. Both are recorded. */
export type User = 'admin' | 'asker' | 'stranger';

const GROUPS: Readonly<Record<User, string>> = { admin: 'system:masters', asker: 'askers', stranger: 'strangers' };

/** Every stage, since a watch that is cut off has no end, and the name of what a POST creates is known only in the later ones. */
const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  rules: [{ level: 'Metadata', users: ['asker', 'stranger'] }, { level: 'None' }],
};

const START_MS = 120_000;

export async function startApiServer(programs: string): Promise<ApiServer> {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-api-server-'));
  const [client, peer, secure] = [await freePort(), await freePort(), await freePort()];
  const etcd = `http://127.0.0.1:${client}`;
  const url = `https://127.0.0.1:${secure}`;
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const keys = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const users = Object.entries(GROUPS).map(([user, group]) => `${token(user)},${user},${user},${group}`);
  const auditLog = file('audit.log', '');
  mkdirSync(join(folder, 'certificates'));

  const children = [
    run(folder, 'etcd', join(programs, 'etcd'), [
      `--data-dir=${join(folder, 'etcd')}`,
      `--listen-client-urls=${etcd}`,
      `--advertise-client-urls=${etcd}`,
      `--listen-peer-urls=http://127.0.0.1:${peer}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
      `--initial-cluster=default=http://127.0.0.1:${peer}`,
      '--log-level=error',
      // Nothing here has to outlive a power cut.
      '--unsafe-no-fsync',
    ]),
    run(folder, 'kube-apiserver', join(programs, 'kube-apiserver'), [
      `--etcd-servers=${etcd}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--secure-port=${secure}`,
      `--cert-dir=${join(folder, 'certificates')}`,
      `--token-auth-file=${file('tokens.csv', users.join('\n'))}`,
      `--service-account-key-file=${file('accounts.pub', keys.publicKey)}`,
      `--service-account-signing-key-file=${file('accounts.key', keys.privateKey)}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      '--service-cluster-ip-range=10.0.0.0/24',
      '--authorization-mode=RBAC',
      // No controller makes the accounts that pods would use, nor counts what is there for quotas.
      '--disable-admission-plugins=ServiceAccount,ResourceQuota',
      // The address of a node is loopback here, where kubelets are not looked for by default.
      '--endpoint-reconciler-type=none',
      `--audit-policy-file=${file('audit-policy.json', JSON.stringify(AUDIT_POLICY))}`,
      `--audit-log-path=${auditLog}`,
      '--audit-log-mode=blocking-strict',
      '--audit-log-maxsize=1000',
    ]),
  ];
  const close = async (): Promise<void> => {
    await Promise.all(children.map(stop));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await untilReady(url, children, folder);
    const { body } = await call(url, 'GET', '/version');
    return {
      url,
      etcd,
      version: (body as { gitVersion: string }).gitVersion,
      auditLog,
      kubeconfig: (user) => kubeconfigFor(url, user),
      authorization: (user) => `Bearer ${token(user)}`,
      call: (method, path, content) => call(url, method, path, content),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const token = (user: string): string => `${user}-of-the-recording`;

function run(folder: string, name: string, program: string, args: readonly string[]): ChildProcess {
  const log = openSync(join(folder, `${name}.log`), 'w');
  const child = spawn(program, args, { stdio: ['ignore', log, log], cwd: folder });
  closeSync(log);
  return child;
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function stop(child: ChildProcess): Promise<void> {
  if (hasEnded(child) || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

async function untilReady(url: string, children: readonly ChildProcess[], folder: string): Promise<void> {
  const late = Date.now() + START_MS;
  for (;;) {
    const gone = children.find(hasEnded);
    if (gone !== undefined || Date.now() > late) {
      throw new Error(
        `The API server did not start: ${readFileSync(join(folder, 'kube-apiserver.log'), 'utf8').slice(-2000)}`,
      );
    }
    const { status } = await call(url, 'GET', '/readyz').catch(() => ({ status: 0 }));
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

/** The server's certificate is one that it made for itself a moment ago. */
function call(
  url: string,
  method: string,
  path: string,
  content?: unknown,
): Promise<{ status: number; body: unknown }> {
  const sent = content === undefined ? undefined : Buffer.from(JSON.stringify(content));
  return new Promise((resolve, reject) => {
    const outgoing = request(
      new URL(path, url),
      {
        method,
        rejectUnauthorized: false,
        headers: {
          authorization: `Bearer ${token('admin')}`,
          'content-length': sent?.length ?? 0,
          'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
        },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          text += chunk;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: parsed(text) }));
      },
    );
    outgoing.on('error', reject);
    outgoing.end(sent);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

const kubeconfigFor = (server: string, user: User): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'recorded', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: user, user: { token: token(user) } }],
    contexts: [{ name: 'recorded', context: { cluster: 'recorded', user } }],
    'current-context': 'recorded',
  });

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
