import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandOutputBody, ProblemDocument } from '../../shared/http/schemas.ts';

import { people, startStack } from './stack.ts';

/**
 * The main job on a bare machine: a bot, the wrapper and a job make real HTTP calls with real signed tokens, through a real
 * gateway, to an emulated Azure on loopback. Exits 0 only if each of them went as it should.
 */
const bold = (text: string): string => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text);
const say = (text = ''): void => console.log(text);
const indented = (text: string): string => text.trimEnd().replace(/^/gm, '      ');
let failures = 0;

function check(what: string, holds: boolean, saw: unknown): void {
  if (!holds) failures++;
  say(`  ${holds ? '✓' : '✗'} ${what}${holds ? '' : `\n      but saw: ${JSON.stringify(saw)}`}`);
}

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'aksgw-demo-'));
const started = performance.now();
const stack = await startStack({ folder });
const { azure, url } = stack;

/** A record or a problem; the HTTP status tells which. */
type Body = CommandOutputBody & Omit<ProblemDocument, 'status'>;

interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

async function call<T>(
  method: string,
  path: string,
  token?: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer<T>> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as T };
}

/** A command's POST; what comes back is a record or a problem. */
const post = (token: string | undefined, body: unknown, headers?: Record<string, string>) =>
  call<Body>('POST', '/v1/clusters/demo/commands', token, body, headers);

/** The wrapper as a person runs it: a process of its own. */
async function aksgw(
  argv: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(root, 'shared/client/aksgw.ts'), ...argv],
    {
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, out, err };
}

try {
  say(bold('\naks-access-gateway: the main job, end to end'));
  say(`  gateway        ${url}`);
  say(`  emulated Entra ${azure.entra.authority}`);
  say(`  emulated ARM   ${azure.arm.url}   (no real Azure is involved)`);

  say(
    `  pod's kubectl  ${azure.kubectl === 'installed' ? 'the one on this machine' : 'a stand-in, since none is on PATH: a few verbs, same output'}`,
  );

  say(bold('\n1  A chat bot: plain HTTP, its own app token'));
  const bot = await azure.entra.appToken({ oid: people.bot, roles: ['Commands.Run'] });
  const pods = await post(bot, { command: 'kubectl get pods -n shop', requestedBy: 'ada on chat' });
  check(
    '"kubectl get pods -n shop" is allowed, runs once and ends with exit code 0',
    pods.status === 200 && pods.body.exitCode === 0 && pods.body.stdout.includes('web'),
    pods,
  );
  say(indented(pods.body.stdout ?? ''));
  check(
    `the record names the rule that allowed it: ${pods.body.decision?.role}/${pods.body.decision?.rule}`,
    pods.body.decision?.role === 'viewer',
    pods.body,
  );

  const secrets = await post(bot, { argv: ['kubectl', 'get', 'secrets', '-n', 'shop', '-o', 'yaml'] });
  check(
    '"kubectl get secrets -o yaml" is denied by policy (403)',
    secrets.status === 403 && secrets.body.code === 'policy-denied',
    secrets,
  );
  say(indented(secrets.body.detail));

  const unsafe = await post(bot, { command: 'kubectl get pods -n shop; kubectl delete ns shop' });
  check(
    '"kubectl get pods; kubectl delete ns shop" is refused as unsafe (400)',
    unsafe.status === 400 && unsafe.body.code === 'command-refused',
    unsafe,
  );
  say(indented(unsafe.body.detail));

  const nobody = await post(undefined, { command: 'kubectl get pods -n shop' });
  check(
    'without a token the answer is 401, and where to get one',
    nobody.status === 401 &&
      nobody.body.code === 'token-missing' &&
      nobody.headers.get('www-authenticate')?.startsWith('Bearer ') === true,
    nobody,
  );

  say(bold('\n2  A developer: the kubectl wrapper, her own user token'));
  const env = {
    AKSGW_URL: url,
    AKSGW_CLUSTER: 'demo',
    AKSGW_TOKEN: await azure.entra.userToken({ oid: people.user, groups: [people.team] }),
  };
  writeFileSync(
    join(folder, 'banner.yaml'),
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: banner\ndata:\n  text: open all night\n',
  );
  const apply = await aksgw(['kubectl', 'apply', '-f', 'banner.yaml', '-n', 'shop'], env);
  check(
    '"aksgw kubectl apply -f banner.yaml -n shop" uploads the file and applies it',
    apply.code === 0 && apply.out.includes('banner'),
    apply,
  );
  say(indented(apply.out));
  const missing = await aksgw(['kubectl', 'get', 'deployment', 'nope', '-n', 'shop'], env);
  check(
    "a command that fails in the cluster fails here, with kubectl's own exit code",
    missing.code === 1 && missing.err.includes('not found'),
    missing,
  );
  const forbidden = await aksgw(['kubectl', 'delete', 'deployment', 'coredns', '-n', 'kube-system'], env);
  check(
    'what policy denies is not run, and the wrapper says so (exit 125)',
    forbidden.code === 125 && forbidden.err.includes('policy-denied'),
    forbidden,
  );

  say(bold('\n3  A maintenance job: a script that may be started twice'));
  const job = await azure.entra.appToken({ oid: people.job, roles: ['Commands.Run'] });
  const restart = {
    argv: ['kubectl', 'rollout', 'restart', 'deployment/web', '-n', 'shop'],
    reason: 'nightly restart',
  };
  const key = { 'idempotency-key': '"nightly-2026-11-22"' };
  const [first, again] = [await post(job, restart, key), await post(job, restart, key)];
  check('the restart runs', first.status === 200 && first.body.exitCode === 0, first);
  check(
    'sent again with the same Idempotency-Key it is the same run',
    again.status === 200 && again.body.id === first.body.id,
    again,
  );
  const restarts = azure.arm.executions.filter(({ commandId }) => commandId === first.body.azure?.commandId).length;
  check(
    `Azure ran it ${restarts === 1 ? 'once' : `${restarts} times`}, and ${azure.arm.posts.length} commands in all: what was denied or refused never got there`,
    restarts === 1 && azure.arm.posts.length === 4,
    azure.arm.posts.length,
  );

  say(bold('\n4  The audit trail'));
  const auditor = await azure.entra.userToken({ oid: people.auditor });
  const { body: events } = await call<{ items: { code: string; argv?: string[] }[] }>(
    'GET',
    '/v1/audit/events?limit=200',
    auditor,
  );
  const count = (code: string): number => events.items.filter((event) => event.code === code).length;
  check(
    `the auditor reads ${events.items.length} events over HTTP: 4 intents, 4 completions, 2 denials, 1 refusal, 1 call without a token`,
    count('AKG300I') === 4 &&
      count('AKG305I') === 4 &&
      count('AKG201W') === 2 &&
      count('AKG200W') === 1 &&
      count('AKG100W') === 1,
    events.items.map(({ code }) => code),
  );
  await stack.gateway.close();
  const verified = await aksgw(['audit', 'verify', '--config', stack.config]);
  check('"aksgw audit verify" proves it', verified.code === 0, verified);
  say(indented(verified.out));

  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  say(
    failures === 0
      ? bold(
          `\nAll of it went as it should, in ${seconds} s. "npm start" keeps the same stack up for you to play with.\n`,
        )
      : bold(`\n${failures} of it did not go as it should.\n`),
  );
} finally {
  await stack.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;
