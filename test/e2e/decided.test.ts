import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startAzure, type EmulatedAzure } from '../../infra/local/azure.ts';
import { people, writeConfig } from '../../infra/local/stack.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { testStack, type Answer, type TestStack } from '../support/stack.ts';

const LIST = { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] };
const RESTART = { argv: ['kubectl', 'rollout', 'restart', 'deployment/web', '-n', 'shop'] };
const one = (yaml: string): string => yaml.replace('perCluster: { running: 8 }', 'perCluster: { running: 1 }');
const blockUser = (yaml: string): string => yaml.replace('blocked: []', `blocked: [{ user: ${people.user} }]`);

/** Keeps what Azure runs running, until it is let go. */
function holdRuns({ arm }: EmulatedAzure) {
  let held = true;
  arm.faults.poll(() => (held ? { kind: 'status', status: 503, retryAfter: 1 } : []));
  return {
    hold: () => (held = true),
    release: () => (held = false),
  };
}

const until = async (what: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await what())) await delay(20);
};

describe('a command that waits in line', () => {
  let stack: TestStack;
  let runs: ReturnType<typeof holdRuns>;
  let good: string;

  beforeAll(async () => {
    stack = await testStack({ edit: one });
    runs = holdRuns(stack.azure);
    good = readFileSync(stack.config, 'utf8');
  });
  afterAll(() => stack.close());
  const reload = async (yaml: string): Promise<void> => {
    writeFileSync(stack.config, yaml);
    await stack.gateway.config.refresh();
    expect(stack.gateway.config.problem()).toBeUndefined();
  };
  afterEach(async () => {
    runs.release();
    await reload(good);
  });
  const posts = (): number => stack.azure.arm.posts.length;

  /** One command runs, and another one waits behind it; `change` comes in between. */
  async function waiting(change: (yaml: string) => string): Promise<Answer> {
    runs.hold();
    const before = posts();
    const running = stack.command(LIST, { token: stack.tokens.bot, headers: { prefer: 'respond-async' } });
    await until(() => posts() === before + 1);
    const second = stack.command(RESTART, { headers: { prefer: 'wait=60' } });
    await until(async () => {
      const { body } = await stack.request<{ items: { status: string }[] }>('GET', '/v1/commands?status=accepted');
      return body.items?.length === 1;
    });
    await reload(change(good));
    runs.release();
    const answer = await second;
    await running;
    expect({ posts: posts(), answer: answer.status }).toEqual({ posts: before + 1, answer: answer.status });
    return answer;
  }

  test('is not sent for a caller who was blocked meanwhile, and the trail says so', async () => {
    const answer = await waiting(blockUser);
    expect(answer).toMatchObject({ status: 403, body: { code: 'policy-denied', reason: 'blocked' } });
    await reload(good);
    const { body } = await stack.request<{ items: { code: string }[] }>('GET', '/v1/audit/events?limit=50', {
      token: stack.tokens.auditor,
    });
    expect(body.items.some(({ code }) => code === 'AKG101W')).toBe(true);
    expect(body.items.some(({ code }) => code === 'AKG006I')).toBe(true);
  });

  test('is not sent when policy allows it no longer', async () => {
    const answer = await waiting((yaml) =>
      yaml.replace(`subjects: [{ group: ${people.team} }]`, `subjects: [{ group: ${people.bot} }]`),
    );
    expect([403, 404]).toContain(answer.status);
  });

  test.each([
    [
      'to another cluster under the same name',
      (yaml: string) => yaml.replaceAll('managedClusters/aks-demo', 'managedClusters/aks-other'),
      503,
    ],
    [
      'without the name of the caller that is now demanded',
      (yaml: string) => yaml.replace('defaultNamespace: shop', 'defaultNamespace: shop\n    impersonate: true'),
      503,
    ],
    [
      'to a cluster that is configured no longer',
      (yaml: string) => yaml.replaceAll('  demo:', '  other:').replaceAll('clusters: [demo]', 'clusters: [other]'),
      404,
    ],
  ])('is not sent %s', async (_what, change, status) => {
    const answer = await waiting(change);
    expect(answer.status).toBe(status);
    if (status === 503) expect(answer.body.code).toBe('configuration-changed');
  });

  test('is sent when what changed does not touch it, and its intent names both digests', async () => {
    runs.hold();
    const before = posts();
    const running = stack.command(LIST, { token: stack.tokens.bot, headers: { prefer: 'respond-async' } });
    await until(() => posts() === before + 1);
    const second = stack.command(RESTART, { headers: { prefer: 'wait=60' } });
    await delay(50);
    await reload(good.replace('resultsHours: 24', 'resultsHours: 23'));
    runs.release();
    expect((await second).body.status).toBe('completed');
    await running;
    const { digest } = stack.gateway.config.current();
    const lines: string[] = [];
    const log = createFileLog({ folder: join(stack.folder, 'data/audit') });
    for (const stream of await log.streams())
      for await (const { text } of log.read(stream)) if (text.includes('AKG300I')) lines.push(text);
    expect(JSON.parse(lines.at(-1) ?? '{}')).toMatchObject({ configDigest: digest, policyDigest: expect.any(String) });
  });

  test.each([
    ['had not been looked at for a minute', { isFresh: () => false }],
    ['is another', undefined],
  ])('is not sent when the configuration, once the connection stands, %s', async (_what, now) => {
    const { config } = stack.gateway;
    const { isFresh, current } = config;
    const other = { ...current() };
    // What is asked after the decision, and only then.
    Object.assign(config, now ?? { isFresh: () => Object.assign(config, { current: () => other }) });
    const before = posts();
    const answer = await stack.command(LIST);
    Object.assign(config, { isFresh, current });
    expect({ ...answer.body, posts: posts() }).toMatchObject({ code: 'configuration-changed', posts: before });
    expect((await stack.command(LIST)).body.status).toBe('completed');
  });

  test('and one that is held gives out nothing to a caller who was blocked while it ran', async () => {
    runs.hold();
    const before = posts();
    const held = stack.command(LIST, { headers: { prefer: 'wait=60' } });
    await until(() => posts() === before + 1);
    await reload(blockUser(good));
    runs.release();
    const answer = await held;
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ status: 'running', stdout: '', exitCode: null });
    const id = answer.body.id;
    expect((await stack.request('GET', `/v1/commands/${id}`)).status).toBe(403);
    await reload(good);
    expect((await stack.request('GET', `/v1/commands/${id}`)).body).toMatchObject({ status: 'completed' });
  });
});

describe('a process that stood still', () => {
  let azure: EmulatedAzure;
  let folder: string;
  let config: string;
  let env: NodeJS.ProcessEnv;
  let token: string;
  let runs: ReturnType<typeof holdRuns>;
  const started: GatewayProcess[] = [];
  const ahead = (): string => join(folder, 'ahead');

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'aksgw-decided-'));
    azure = await startAzure();
    runs = holdRuns(azure);
    token = await azure.entra.userToken({ oid: people.user, groups: [people.team] });
    ({ config, env } = writeConfig(folder, azure, 0, one));
  });
  afterEach(() => Promise.all(started.splice(0).map((process) => process.kill())));
  afterAll(async () => {
    await azure.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const start = async (more: NodeJS.ProcessEnv = {}): Promise<GatewayProcess> => {
    const script = join(import.meta.dirname, '../support/mortal-gateway.ts');
    const process = await startGatewayProcess(config, { ...env, KILL_AT: '0', ...more }, script);
    started.push(process);
    return process;
  };
  const send = (url: string, body: unknown, prefer: string) =>
    fetch(`${url}/v1/clusters/demo/commands`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', prefer },
      body: JSON.stringify(body),
    });

  test('looks at its configuration before it runs anything for a caller who was blocked meanwhile', async () => {
    runs.release();
    const gateway = await start({ CLOCK_AHEAD_FILE: ahead() });
    expect((await send(gateway.url, LIST, 'wait=60')).status).toBe(200);
    const before = azure.arm.posts.length;
    process.kill(gateway.pid, 'SIGSTOP');
    const good = readFileSync(config, 'utf8');
    writeFileSync(config, blockUser(good));
    // As if it had stood still for longer than a minute; no timer of its own has come yet.
    writeFileSync(ahead(), '61000');
    process.kill(gateway.pid, 'SIGCONT');
    const answers = await Promise.all([1, 2, 3].map(() => send(gateway.url, RESTART, 'wait=60')));
    writeFileSync(config, good);
    rmSync(ahead());
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403]);
    expect(azure.arm.posts.length).toBe(before);
  });

  test('sends nothing after another process has told what became of its commands', async () => {
    runs.hold();
    const first = await start();
    const before = azure.arm.posts.length;
    const running = send(first.url, LIST, 'wait=1');
    await until(() => azure.arm.posts.length === before + 1);
    const waiting = [1, 2, 3].map(() => send(first.url, RESTART, 'respond-async'));
    const ids = await Promise.all(waiting.map(async (answer) => ((await (await answer).json()) as { id: string }).id));
    await running;
    process.kill(first.pid, 'SIGSTOP');
    const second = await start();
    const look = async (id: string) =>
      (await (
        await fetch(`${second.url}/v1/commands/${id}`, { headers: { authorization: `Bearer ${token}` } })
      ).json()) as { status: string; failure?: { code: string } };
    for (const id of ids) await until(async () => (await look(id)).status === 'failed');
    runs.release();
    process.kill(first.pid, 'SIGCONT');
    await delay(2_000);
    expect(azure.arm.posts.length).toBe(before + 1);
    for (const id of ids) expect(await look(id)).toMatchObject({ status: 'failed', failure: { code: 'interrupted' } });
  }, 90_000);
});
