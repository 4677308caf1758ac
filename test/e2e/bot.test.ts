import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { blocksOf } from '../support/recipes.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
const section = readme.slice(readme.indexOf('## Chat bots'), readme.indexOf('## Point it'));
const [source = ''] = blocksOf(section, 'js');

const ana = people.user;
const ben = '88888888-8888-4888-8888-888888888888';
const eve = '99999999-9999-4999-8999-999999999999';
const SIGNING = 'slack-signing-secret';
const SECRET = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;

/** Slack as the bot sees it: it takes messages, with the channel in the address. */
const posted: { readonly path: string; readonly text: string }[] = [];
/** Every delivery that came to the bot, as it came. */
const folder = mkdtempSync(join(tmpdir(), 'aksgw-bot-'));
let slack: Server;
let stack: TestStack;
let bot: ChildProcess | undefined;
let botUrl = '';
let botPort = 0;

const portOf = (server: Server): number => (server.address() as AddressInfo).port;
const listening = async (server: Server): Promise<Server> => {
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return server;
};
const bodyOf = async (request: AsyncIterable<Buffer>): Promise<string> => {
  let text = '';
  for await (const piece of request) text += piece.toString();
  return text;
};

async function startBot(): Promise<void> {
  const file = join(folder, 'bot.mjs');
  writeFileSync(file, source);
  const { entra } = stack.azure;
  bot = spawn(process.execPath, [file], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      PORT: String(botPort),
      AKSGW_URL: stack.url,
      AKSGW_TOKEN: stack.tokens.bot,
      AKSGW_AUDIENCE: entra.audience,
      AUTHORITY: `${entra.authority}/${entra.tenants[0]}`,
      CLIENT_ID: people.bot,
      BOT_URL: `http://localhost:${botPort}`,
      CLUSTER: 'demo',
      SLACK_SIGNING_SECRET: SIGNING,
      SLACK_URL: `http://127.0.0.1:${portOf(slack)}`,
      AKSGW_WEBHOOK_SECRET: SECRET,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => bot?.stdout?.once('data', resolve));
  botUrl = `http://127.0.0.1:${botPort}`;
}
async function stopBot(): Promise<void> {
  const gone = new Promise((resolve) => bot?.once('exit', resolve));
  bot?.kill('SIGKILL');
  await gone;
}

beforeAll(async () => {
  slack = await listening(
    createServer((request, response) => {
      const take = async (): Promise<void> => {
        posted.push({ path: request.url ?? '', text: (JSON.parse(await bodyOf(request)) as { text: string }).text });
        response.end('ok');
      };
      void take();
    }),
  );
  const free = await listening(createServer());
  botPort = portOf(free);
  await new Promise((resolve) => free.close(resolve));
  stack = await testStack({
    jobs: false,
    env: { BOT_SECRET: SECRET },
    edit: (yaml) =>
      yaml
        .replace(
          '    auditor:\n',
          `    for-people:
      allow:
        - { verbs: ['*'], resources: ['*'], namespaces: ['*'], requester: required }
        - { verbs: [notify], resources: [webhooks.aksgw], names: [bot], namespaces: ['*'], requester: required }
    in-chat:
      allow: [{ verbs: [notify], resources: [webhooks.aksgw], names: [bot], namespaces: ['*'] }]
    pods-only:
      allow: [{ verbs: [get, list], resources: [pods], namespaces: [shop] }]
    auditor:\n`,
        )
        .replace(
          `    - role: viewer
      clusters: ['*']
      subjects: [{ app: 33333333-3333-4333-8333-333333333333 }]`,
          `    - { role: for-people, clusters: [demo], subjects: [{ app: ${people.bot} }] }
    - { role: in-chat, clusters: [demo], subjects: [{ user: ${ana} }, { user: ${ben} }, { user: ${eve} }] }
    - { role: viewer, clusters: [demo], subjects: [{ user: ${ana} }] }
    - { role: pods-only, clusters: [demo], subjects: [{ user: ${ben} }, { user: ${eve} }] }`,
        )
        .replace(
          '\n...\n',
          `\nwebhooks:
  bot: { url: 'http://127.0.0.1:${botPort}/deliveries', secretEnv: BOT_SECRET }\n...\n`,
        ),
  });
  // What a sign-in would have given each of them, for the bot's own application; kept by the bot.
  const tokens: Record<string, string> = {};
  for (const [user, oid] of [
    ['U-ANA', ana],
    ['U-BEN', ben],
  ] as const)
    tokens[user] = await stack.azure.entra.userToken({ oid, azp: people.bot, scp: 'Commands.Request' });
  writeFileSync(join(folder, 'tokens.json'), JSON.stringify(tokens));
  await startBot();
}, 60_000);
afterAll(async () => {
  await stopBot();
  await stack.close();
  slack.close();
  rmSync(folder, { recursive: true, force: true });
});

const slash = (user: string, text: string, { secret = SIGNING, at = Date.now() } = {}) => {
  const body = new URLSearchParams({
    user_id: user,
    channel_id: 'C-OPS',
    text,
    response_url: `http://127.0.0.1:${portOf(slack)}/C-OPS/${user}`,
  }).toString();
  const time = String(Math.floor(at / 1_000));
  const signature = `v0=${createHmac('sha256', secret).update(`v0:${time}:${body}`).digest('hex')}`;
  return fetch(`${botUrl}/slash`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-slack-request-timestamp': time,
      'x-slack-signature': signature,
    },
    body,
  });
};
const ended = async (count: number): Promise<readonly { readonly path: string; readonly text: string }[]> => {
  for (let tries = 0; posted.length < count && tries < 300; tries += 1) await sleep(100);
  return posted;
};

describe("the bot of README.md, a day's work", () => {
  test('is forty lines', () => {
    expect(source.trim().split('\n').length).toBeLessThanOrEqual(40);
  });

  test('hears nobody whose signature is not Slack’s, or is old', async () => {
    expect((await slash('U-ANA', 'get pods', { secret: 'another' })).status).toBe(401);
    expect((await slash('U-ANA', 'get pods', { at: Date.now() - 600_000 })).status).toBe(401);
    expect(stack.azure.arm.posts).toHaveLength(0);
  });

  test('answers within three seconds, and tells the end in the channel by a delivery', async () => {
    const began = performance.now();
    const answer = await slash('U-ANA', 'get pods -n shop');
    expect(performance.now() - began).toBeLessThan(3_000);
    expect(await answer.text()).toMatch(/^⏳ running · `demo` · `kubectl get pods -n shop`/);
    const [first] = await ended(1);
    expect(first).toMatchObject({ path: '/C-OPS/U-ANA', text: expect.stringMatching(/^✅ done · `demo` · /) });
    expect(first?.text).toMatch(/```\nNAME /);
  });

  test('tells a refusal and a denial in words, with what to do next', async () => {
    expect(await (await slash('U-ANA', 'get pods —namespace shop')).text()).toMatch(/🛑 [^]*write --namespace/);
    expect(await (await slash('U-BEN', 'get deployments -n shop')).text()).toMatch(/🛑 Policy does not allow this/);
    expect(await (await slash('U-ANA', 'get secrets -n shop')).text()).toMatch(/🛑 Policy does not allow this/);
    expect(posted).toHaveLength(1);
  });

  test('sends somebody whom it does not know to sign in', async () => {
    expect(await (await slash('U-EVE', 'get pods')).text()).toMatch(/oauth2\/v2\.0\/authorize\?.*Commands\.Request/);
  });

  test('goes on after a restart in the middle, and doubles nothing in the channel', async () => {
    await slash('U-BEN', 'get pods -n shop');
    await stopBot();
    await startBot();
    await ended(2);
    await stack.gateway.runDeliveries();
    await sleep(300);
    expect(posted.map(({ path }) => path)).toEqual(['/C-OPS/U-ANA', '/C-OPS/U-BEN']);
  });

  test('takes no delivery that the gateway did not sign', async () => {
    const body = JSON.stringify({ type: 'command.ended', data: { id: 'x' } });
    const good = new Webhook(SECRET);
    const at = new Date();
    const headers = { 'webhook-id': 'x', 'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)) };
    for (const signature of [
      'v1,AAAA',
      new Webhook(`whsec_${Buffer.from('another secret of thirty-two byt').toString('base64')}`).sign('x', at, body),
    ])
      expect(
        (
          await fetch(`${botUrl}/deliveries`, {
            method: 'POST',
            body,
            headers: { ...headers, 'webhook-signature': signature },
          })
        ).status,
      ).toBe(401);
    expect(good.verify(body, { ...headers, 'webhook-signature': good.sign('x', at, body) })).toBeDefined();
  });

  test('keeps the token of who signs in by its link, once, and works for them from then on', async () => {
    const { entra } = stack.azure;
    const link = async (): Promise<string> =>
      (await (await slash('U-EVE', 'get pods')).text()).replace('Sign in: ', '');
    const back = async (address: string): Promise<string> => {
      const { headers } = await fetch(address, { redirect: 'manual' });
      return (headers.get('location') ?? '').replace('localhost', '127.0.0.1');
    };
    entra.signInBrowser(undefined); // says no at the page
    expect((await fetch(await back(await link()))).status).toBe(400);
    entra.signInBrowser(eve);
    const address = await back(await link());
    const forged = new URL(address);
    forged.searchParams.set('state', 'of-somebody-else');
    expect((await fetch(forged)).status).toBe(400);
    expect(await (await fetch(address)).text()).toBe('Go back to the chat.');
    expect((await fetch(address)).status).toBe(400);
    expect(await (await slash('U-EVE', 'get pods -n shop')).text()).toMatch(/^⏳ running/);
    await ended(3);
    expect(posted.at(-1)).toMatchObject({ path: '/C-OPS/U-EVE', text: expect.stringMatching(/`by user 9{8}-/) });
  });
});
