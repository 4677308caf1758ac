import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { connect, createServer, type AddressInfo, type Server as NetServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { systemClock } from '../../shared/clock.ts';
import { describeWith, findProgram } from '../support/programs.ts';
import {
  isTriedAgain,
  startCron,
  startFunction,
  startPod,
  startWorkflow,
  type Around,
  type Ended,
  type Running,
} from '../support/recipes.ts';
import { testStack, type TestStack } from '../support/stack.ts';

/** The recipes of README.md and infra/schedulers, as they stand, against the whole house. Each test is a caller of its own. */
const callers = Array.from({ length: 40 }, (_, index) => `44444444-4444-4444-8444-${String(index).padStart(12, '0')}`);
const WORKFLOW = { subject: 'repo:org/repo:ref:refs/heads/main', audience: 'api://AzureADTokenExchange' };

let stack: TestStack;
let path: string;
const servers: (Server | NetServer)[] = [];
beforeAll(async () => {
  const subjects = callers.map((oid) => `{ app: ${oid} }`).join(', ');
  const apps = callers.map((oid) => ({
    clientId: oid,
    secret: 'none',
    oid,
    roles: ['Commands.Run'],
    federated: WORKFLOW,
  }));
  stack = await testStack({
    jobs: false,
    entra: { apps },
    edit: (yaml) =>
      yaml.replace(
        '  bindings:\n',
        `  bindings:\n    - { role: shop-restarter, clusters: [demo], subjects: [${subjects}] }\n`,
      ),
  });
  // A pause is a pause, but a short one.
  const bin = join(stack.folder, 'bin');
  mkdirSync(bin);
  const sleep = findProgram('sleep');
  if (sleep !== undefined) {
    writeFileSync(join(bin, 'sleep'), `#!/bin/sh\nexec ${sleep} 0.2\n`);
    chmodSync(join(bin, 'sleep'), 0o755);
  }
  path = [bin, process.env['PATH']].join(delimiter);
}, 60_000);
afterAll(async () => {
  for (const server of servers) server.close();
  await stack.close();
});

async function listen<T extends Server | NetServer>(server: T): Promise<T & { readonly url: string }> {
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return Object.assign(server, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

const httpServer = (answer: (request: IncomingMessage) => Promise<object>) => {
  const handler: RequestListener = (request, response) =>
    void answer(request).then(
      (body) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
      () => response.writeHead(403).end(),
    );
  return listen(createHttpServer(handler));
};

/** A way to the gateway: open, silent (what comes back is lost) or closed. */
async function openDoor(way: 'open' | 'silent' | 'closed') {
  const door = { way, refused: 0 };
  const server = createServer((socket) => {
    if (door.way === 'closed') {
      door.refused += 1;
      return void socket.destroy();
    }
    const on = connect(Number(new URL(stack.url).port), '127.0.0.1');
    socket.on('error', () => on.destroy()).on('close', () => on.destroy());
    on.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.pipe(on);
    on.on('data', (chunk) => door.way === 'open' && socket.write(chunk));
  });
  return Object.assign(door, { url: (await listen(server)).url });
}

async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1_000 && !done(); tries += 1) await systemClock.sleep(20);
  expect(done()).toBe(true);
}

interface Slot {
  readonly caller: string;
  readonly url?: string;
  readonly command?: string;
  /** Seconds. */
  readonly deadline?: number;
}

interface Recipe {
  readonly name: string;
  readonly programs: readonly string[];
  readonly start: (slot: Slot) => Promise<Running>;
  /** How its end is told: exit codes of scripts, words of a function that throws. */
  readonly ends: Readonly<
    Record<'denied' | 'noAnswer' | 'failed', { readonly code: number; readonly stderr?: unknown }>
  >;
}

const SCRIPT = ['sh', 'curl', 'sed', 'tr', 'mktemp', 'date', 'cat', 'rm', 'sleep'];
const ends = {
  denied: { code: 69, stderr: expect.stringContaining('policy-denied') },
  noAnswer: { code: 75 },
  failed: { code: 1 },
};
const around = ({ url = stack.url, command, deadline = 60 }: Slot, env: Record<string, string>): Around => ({
  folder: stack.folder,
  env: {
    PATH: path,
    AKSGW_URL: url,
    AKSGW_DEADLINE: String(deadline),
    ...(command !== undefined && { AKSGW_COMMAND: command }),
    ...env,
  },
});
const federated = (caller: string) => ({
  AKSGW_SCOPE: `api://${stack.azure.entra.audience}/.default`,
  AZURE_AUTHORITY_HOST: stack.azure.entra.authority,
  AZURE_TENANT_ID: stack.azure.entra.tenants[0] ?? '',
  AZURE_CLIENT_ID: caller,
});
const assertion = (audience: string): Promise<string> =>
  stack.azure.entra.sign({ iss: 'https://token.actions.example', sub: WORKFLOW.subject, aud: audience });
const appToken = (oid: string): Promise<string> =>
  stack.azure.entra.appToken({ oid, azp: oid, roles: ['Commands.Run'] });

const recipes: readonly Recipe[] = [
  {
    name: 'cron with curl',
    programs: SCRIPT,
    ends,
    start: async (slot) => startCron(around(slot, { AKSGW_TOKEN: await appToken(slot.caller) })),
  },
  {
    name: 'GitHub Actions with workload identity',
    programs: [...SCRIPT, 'bash'],
    ends,
    start: async (slot) => {
      const issuer = await httpServer(async ({ url, headers }) => {
        if (headers.authorization !== 'Bearer of-the-runner') throw new Error('it is not the runner');
        return { value: await assertion(new URL(url ?? '', 'http://issuer').searchParams.get('audience') ?? '') };
      });
      const ACTIONS_ID_TOKEN_REQUEST_URL = `${issuer.url}/token?api-version=2.0`;
      const runner = { ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-runner' };
      return startWorkflow(around(slot, { ...federated(slot.caller), ...runner }));
    },
  },
  {
    name: 'a Kubernetes CronJob with a federated token',
    programs: SCRIPT,
    ends,
    start: (slot) => {
      const given = around(slot, federated(slot.caller));
      return startPod({ ...given, federatedToken: assertion, jobName: 'nightly-restart-29405340' });
    },
  },
  {
    name: 'an Azure Functions timer',
    programs: [],
    ends: {
      denied: { code: 1, stderr: expect.stringMatching(/refused or denied: .*policy-denied/) },
      noAnswer: { code: 1, stderr: expect.stringContaining('no answer in time') },
      failed: { code: 1, stderr: expect.stringContaining('exit code 1') },
    },
    start: async (slot) => {
      // learn.microsoft.com/azure/app-service/overview-managed-identity, "REST endpoint reference".
      const identity = await httpServer(async ({ url, headers }) => {
        const resource = new URL(url ?? '', 'http://identity').searchParams.get('resource');
        if (headers['x-identity-header'] !== 'of-the-host') throw new Error('it is not the function');
        const access_token = await appToken(slot.caller);
        return {
          access_token,
          expires_on: String(Math.floor(Date.now() / 1_000) + 3_600),
          resource,
          token_type: 'Bearer',
        };
      });
      const own = { IDENTITY_ENDPOINT: `${identity.url}/msi/token`, IDENTITY_HEADER: 'of-the-host' };
      return startFunction(around(slot, { ...own, AKSGW_SCOPE: `api://${stack.azure.entra.audience}/.default` }));
    },
  },
];

const READING = 'kubectl get deployment web -n shop';
const posts = (): number => stack.azure.arm.posts.length;
let next = 0;
const newCaller = (): string => callers[next++] ?? '';

for (const { name, programs, start, ends: told } of recipes) {
  describeWith(programs, name, () => {
    const run = async (slot: Slot): Promise<Ended> => (await start(slot)).ended;

    test('runs once for its slot, though it is started twice', async () => {
      const caller = newCaller();
      const before = posts();
      const first = await run({ caller });
      expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining('restarted') });
      expect(await run({ caller })).toMatchObject({ code: 0, stdout: first.stdout });
      expect(posts() - before).toBe(1);
    }, 60_000);

    test('that is killed in the middle, and started again, runs once', async () => {
      const caller = newCaller();
      const before = posts();
      const door = await openDoor('silent');
      const killed = await start({ caller, url: door.url, command: READING });
      await until(() => posts() > before);
      killed.kill();
      expect((await killed.ended).code).toBeNull();
      expect(await run({ caller, command: READING })).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('web'),
      });
      expect(posts() - before).toBe(1);
    }, 60_000);

    test('waits for a gateway that is away, and gives up at its deadline', async () => {
      const caller = newCaller();
      const door = await openDoor('closed');
      const inTime = { caller, url: door.url, command: READING };
      expect(await run({ ...inTime, deadline: 1 })).toMatchObject(told.noAnswer);
      door.refused = 0;
      const running = await start(inTime);
      await until(() => door.refused > 0);
      door.way = 'open';
      expect(await running.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('web') });
    }, 60_000);

    test('says that it is denied', async () => {
      const before = posts();
      expect(await run({ caller: newCaller(), command: 'kubectl delete pod web' })).toMatchObject(told.denied);
      expect(posts()).toBe(before);
    }, 60_000);

    test('ends as the command that fails', async () => {
      expect(await run({ caller: newCaller(), command: 'kubectl get pods/missing -n shop' })).toMatchObject(
        told.failed,
      );
    }, 60_000);
  });
}

describeWith(SCRIPT, 'a federated token that Entra does not know', () => {
  test('ends with 69 and what Entra says', async () => {
    const slot = { caller: newCaller(), command: READING };
    const given = { ...around(slot, federated(slot.caller)), jobName: 'nightly-restart-29405340' };
    const wrong = async (): Promise<string> => assertion('api://another');
    const { ended } = await startPod({ ...given, federatedToken: wrong });
    expect(await ended).toMatchObject({ code: 69, stderr: expect.stringContaining('AADSTS70021') });
  });
});

test('the CronJob starts another pod for what found no answer or was killed, and for nothing else', () => {
  expect([0, 1, 69, 70, 75, 124, 137, 143].filter(isTriedAgain)).toEqual([75, 137, 143]);
});
