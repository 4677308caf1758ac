import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { assemble } from '../../shared/assemble.ts';
import { systemClock } from '../../shared/clock.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

/** The clock of the gateway's process, minutes ahead of the machine's where a test says so. */
let ahead = 0;
const clock = { ...systemClock, now: () => systemClock.now() + ahead };
const SECRET = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;

interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}
interface Told {
  readonly type: string;
  readonly data: Record<string, unknown>;
}
const received: Received[] = [];
/** Connections that get no answer, while that is so. */
let held: ServerResponse[] | undefined;
const receiver = createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  request.on('end', () => {
    received.push({ path: request.url ?? '', headers: request.headers, text });
    if (held) held.push(response);
    else response.end();
  });
});

/** Two megabytes of what a channel would act on, or what was asked for does not exist. */
const KUBECTL = `#!/bin/sh
case "$*" in
  *missing*) echo 'Error from server (NotFound): pods "missing" not found <!channel>' >&2; exit 1;;
  *deployments*) i=0; while [ $i -lt 200 ]; do cat "$(dirname "$0")/lines"; i=$((i+1)); done; echo the end;;
  *) echo web-1;;
esac
`;
const LINES = '<!channel> @here ``` <http://evil.example|x> &amp;\n'.repeat(210);

let folder: string;
let stack: TestStack;
let at: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aksgw-deliveries-'));
  const tools = join(folder, 'tools');
  mkdirSync(tools);
  writeFileSync(join(tools, 'kubectl'), KUBECTL);
  writeFileSync(join(tools, 'lines'), LINES);
  chmodSync(join(tools, 'kubectl'), 0o755);
  await new Promise<void>((resolve) => void receiver.listen(0, '127.0.0.1', resolve));
  at = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  stack = await testStack({
    tools,
    jobs: false,
    gateway: { clock },
    env: { HOOK: SECRET, SLACK_URL: `${at}/slack/a-secret-word`, TEAMS_URL: `${at}/teams` },
    edit: (yaml) =>
      yaml
        .replace(
          '    auditor:\n',
          `    teller:
      allow: [{ verbs: [notify], resources: [webhooks.aksgw], names: [ops], namespaces: ['*'] }]
    auditor:\n`,
        )
        .replace(
          '  bindings:\n',
          `  bindings:
    - { role: viewer, clusters: [demo], subjects: [{ job: failing }, { job: telling }, { job: quiet }] }
    - { role: teller, clusters: [demo], subjects: [{ user: ${people.user} }] }\n`,
        )
        .replace(
          '\n...\n',
          `
jobs:
  - { name: failing, schedule: "*/5 * * * *", cluster: demo, argv: [kubectl, get, pods/missing], notify: slack }
  - { name: telling, schedule: "*/5 * * * *", cluster: demo, argv: [kubectl, get, pods], notify: teams, notifyOn: always }
  - { name: quiet, schedule: "*/5 * * * *", cluster: demo, argv: [kubectl, get, pods], notify: ops }
  - { name: denied, schedule: "*/5 * * * *", cluster: demo, argv: [kubectl, get, pods], notify: slack }
webhooks:
  ops: { url: '${at}/ops', secretEnv: HOOK, events: [job.failed, job.suspended] }
  all: { url: '${at}/all', secretEnv: HOOK, events: ['job.*'] }
  slack: { urlEnv: SLACK_URL, profile: slack, events: [job.failed], output: true }
  teams: { urlEnv: TEAMS_URL, profile: teams }
...\n`,
        ),
  });
}, 60_000);
afterAll(async () => {
  await stack.close();
  receiver.closeAllConnections();
  receiver.close();
  rmSync(folder, { recursive: true });
});

const to = (path: string): readonly Received[] => received.filter((one) => one.path.startsWith(path));
const told = ({ text, headers }: Received): Told =>
  new Webhook(SECRET).verify(text, headers as Record<string, string>) as Told;
async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !done(); tries += 1) await systemClock.sleep(50);
  expect(done()).toBe(true);
}

describe('a slot of jobs', () => {
  beforeAll(async () => {
    await stack.gateway.runJobs();
    ahead += 300_000 - (clock.now() % 300_000) + 5_000;
    await stack.gateway.runJobs(10_000);
    await stack.gateway.runJobs();
    await until(() => to('/all').length >= 6 && to('/slack').length >= 2 && to('/teams').length > 0);
    ahead = 0; // signatures are checked by the machine's clock
  }, 60_000);

  test('is told, signed, to each webhook that lists what became of it, and to no other', () => {
    const names = (path: string) =>
      to(path)
        .map(({ text }) => JSON.parse(text) as Told)
        .map(({ type, data }) => `${type} ${String(data['job'])}`)
        .toSorted();
    expect(names('/ops')).toEqual(['job.failed failing', 'job.suspended denied']);
    expect(names('/all')).toEqual([
      'job.failed failing',
      'job.fired denied',
      'job.fired failing',
      'job.fired quiet',
      'job.fired telling',
      'job.suspended denied',
    ]);
  });

  test("is told to the job's own webhook: failures, once each, with the output where the webhook says so", () => {
    const texts = to('/slack').map(({ text }) => (JSON.parse(text) as { text: string }).text);
    expect(texts.toSorted()).toEqual([
      expect.stringMatching(/^⚠️ job\.suspended · `denied` · /),
      expect.stringMatching(
        /^❌ exit code 1 · `demo` · `kubectl get pods\/missing[^\n]*\n```\nError from server \(NotFound\)[^\n]* &lt;!channel&gt;\n```/,
      ),
    ]);
  });

  test('is told when it went well where the job says so, and not what was printed', () => {
    expect(to('/teams').map(({ text }) => text)).toEqual([
      expect.stringMatching(/"type":"AdaptiveCard".*"text":"✅ done · `demo` · `kubectl get pods/),
    ]);
    expect(to('/teams')[0]?.text).not.toContain('web-1');
  });

  test('is in the trail, without the address that is a secret', async () => {
    const { text } = await stack.request('GET', '/v1/audit/events?code=AKG510I&limit=50', {
      token: stack.tokens.auditor,
    });
    expect(text).toMatch(/"webhook":"slack"/);
    expect(text).not.toContain('a-secret-word');
  });
});

test('two megabytes of mentions and fences are one message that can be posted', async () => {
  for (const profile of ['slack', 'teams', 'github']) {
    const { status, headers, text } = await stack.command(
      { command: 'get deployments' },
      { headers: { accept: `text/markdown;profile=${profile}`, prefer: 'wait=60' } },
    );
    expect([status, headers.get('content-type')]).toEqual([200, `text/markdown; charset=utf-8; profile=${profile}`]);
    expect(text.length).toBeLessThanOrEqual(2_900);
    expect(text).toMatch(/^✅ done · `demo` · `kubectl get deployments/);
    expect(text).toMatch(/\n… \d+ lines left out …\n/);
    expect(text).not.toMatch(/(?<!＠|\w)@here/);
    expect(text.match(/^`{3,}$/gm)).toHaveLength(2);
    if (profile === 'slack') expect(text).not.toContain('<!channel>');
  }
}, 90_000);

test('the end of a command is told once, though the gateway stopped in the middle of telling it', async () => {
  held = [];
  const { status, body } = await stack.command({ command: 'get pods', notify: 'ops' });
  expect(status).toBe(200);
  const mine = () => to('/ops').filter(({ text }) => text.includes(body.id));
  await until(() => mine().length === 1);
  await stack.gateway.close();
  for (const response of held) response.destroy();
  held = undefined;
  ahead = 0;
  const next = await assemble({ location: stack.config, env: stack.env, version: 'test', clock });
  try {
    await next.runDeliveries();
    expect(mine()).toHaveLength(1); // not before its time
    ahead = 180_000;
    await next.runDeliveries();
    ahead = 0;
    await next.runDeliveries();
    const [first, second, ...more] = mine();
    expect(more).toEqual([]);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(first && told(first)).toMatchObject({ type: 'command.ended', data: { id: body.id, exitCode: 0 } });
  } finally {
    await next.close();
  }
}, 60_000);
