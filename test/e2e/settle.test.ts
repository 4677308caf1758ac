import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { BatchOutputBody } from '../../shared/http/schemas.ts';
import { CLUSTER_ID } from '../../infra/local/stack.ts';
import { testStack, type Answer, type TestStack } from '../support/stack.ts';

/** AKSGW_LOST_ANSWERS=200 for the whole. */
const LOST = Number(process.env['AKSGW_LOST_ANSWERS'] ?? 8);
/** Sent at once: fewer than a caller may have open. */
const GROUP = 8;
const indexes = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);
const pods = { argv: ['kubectl', 'get', 'pods', '-n', 'shop', '-o', 'name'] };
const missing = { argv: ['kubectl', 'get', 'deployment', 'not-there', '-n', 'shop'] };

let stack: TestStack;
beforeAll(async () => {
  stack = await testStack({
    edit: (yaml) =>
      yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 4000').replace('queued: 20', 'queued: 1000'),
    // A pod is there before it is looked for, as after the minute that a gateway leaves.
    gateway: { settleAfterMs: 2_000 },
  });
});
afterAll(() => stack.close());

const get = (id: string): Promise<Answer> => stack.request('GET', `/v1/commands/${id}`);
/** A read that was one too many in a minute says nothing. */
const isOpen = ({ status, body }: Answer): boolean =>
  status !== 200 || (body.status === 'unknown' && !body.warnings.join().includes('Looked for'));

/** Sweeps until each is settled, or was looked for. */
async function settled(ids: readonly string[]): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (const id of ids) {
    let answer = await get(id);
    while (isOpen(answer)) {
      await stack.gateway.sweep();
      await new Promise((resolve) => setTimeout(resolve, 500));
      answer = await get(id);
    }
    answers.push(answer);
  }
  return answers;
}

/** Azure takes every command and its answers are lost, until that is over; not those to the gateway's own looks for pods. */
function loseAnswers(): { over: boolean } {
  const losing = { over: false };
  stack.azure.arm.faults.post(({ command }) =>
    losing.over || command.includes('aks-command') ? undefined : { kind: 'resetAfter' },
  );
  return losing;
}

/** A pod that somebody else made, which says to be the pod of every command that is unknown. */
function forge(name: string, markers: readonly string[]): void {
  stack.azure.kubernetes.put({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'aks-command' },
    spec: {
      containers: markers.map((marker, index) => ({
        name: `c${index}`,
        command: ['sh', '-c', `: ${marker}; . ./.aksgw/run`],
      })),
    },
  });
}

describe('what is unknown', () => {
  test(
    `${LOST} lost answers of commands that ran: at least 95 % are settled truly, none wrongly, among forged pods`,
    async () => {
      const before = stack.azure.arm.posts.length;
      const losing = loseAnswers();
      const started: Answer[] = [];
      const wait = { headers: { prefer: 'wait=200' } };
      const send = (index: number) => stack.command(index % 2 === 0 ? pods : missing, wait);
      for (let first = 0; first < LOST; first += GROUP)
        started.push(...(await Promise.all(indexes(first, Math.min(LOST, first + GROUP)).map(send))));
      expect(new Set(started.map(({ body }) => body.status))).toEqual(new Set(['unknown']));
      // Markers stand in the specs for all to read; a forger has them, and the id of a command that ran, and no nonce.
      losing.over = true;
      const markers = stack.azure.arm.posts
        .slice(before)
        .filter(({ command }) => !command.includes('aks-command'))
        .map(({ command }) => /^: ([0-9a-f]{16});/.exec(command)?.[1] ?? '');
      const other = await stack.command(missing);
      forge(`command-${other.body.azure.commandId ?? ''}`, markers);
      forge(`command-${'0'.repeat(32)}`, markers);

      const ends = await settled(started.map(({ body }) => body.id));
      const right = ends.filter(({ body }, index) => {
        if (body.status !== 'completed') return false;
        expect(body).toMatchObject({ settledBy: 'pod', exitCode: index % 2 });
        expect(body.azure.commandId).not.toBe(other.body.azure.commandId);
        expect(body.stdout === '').toBe(index % 2 === 1);
        return true;
      });
      expect(right.length / LOST).toBeGreaterThanOrEqual(0.95);
      // One POST each, one for the other, and the looks; nothing ran twice.
      const executed = stack.azure.arm.executions.map(({ command }) => command);
      for (const marker of markers)
        expect(executed.filter((command) => command.startsWith(`: ${marker};`))).toHaveLength(1);
      const events = await stack.request<{ items: { code: string; commandId?: string }[] }>(
        'GET',
        '/v1/audit/events?limit=200&code=AKG309I',
        { token: stack.tokens.auditor },
      );
      expect(events.body.items.length).toBe(Math.min(200, right.length));
      console.log(`${right.length} of ${LOST} lost answers settled, none wrongly`);
      // A POST and a look each, of which Azure allows one a second.
    },
    120_000 + LOST * 4_000,
  );

  test('of a batch each step is settled by its own frames', async () => {
    stack.azure.arm.faults.post({ kind: 'resetAfter' });
    const { body } = await stack.request<BatchOutputBody>('POST', '/v1/clusters/demo/batches', {
      body: { steps: [pods, missing], onError: 'continue' },
    });
    expect(body.status).toBe('unknown');
    await settled(body.items.map(({ id }) => id).slice(0, 1));
    const after = await stack.request<BatchOutputBody>('GET', `/v1/batches/${body.id}`);
    expect(after.body.status).toBe('completed');
    expect(after.body.items.map(({ exitCode, settledBy }) => [exitCode, settledBy])).toEqual([
      [0, 'pod'],
      [1, 'pod'],
    ]);
  }, 60_000);

  test('that never ran stays unknown, with when it was looked for', async () => {
    stack.azure.arm.faults.post({ kind: 'resetBefore' });
    const lost = await stack.command(pods);
    expect(lost.body.status).toBe('unknown');
    const [looked] = await settled([lost.body.id]);
    expect(looked?.body.status).toBe('unknown');
    expect(looked?.body.warnings.join()).toMatch(/Looked for in the cluster at 20.*no pod of it/);
  }, 60_000);

  test('that never ran stays unknown though somebody with Azure rights ran another command under its marker', async () => {
    stack.azure.arm.faults.post({ kind: 'resetBefore' });
    const lost = await stack.command(missing);
    expect(lost.body.status).toBe('unknown');
    const marker = /^: ([0-9a-f]{16});/.exec(stack.azure.arm.posts.at(-1)?.command ?? '')?.[1] ?? '';
    // A pod and a result of Azure's own, with the marker in its spec; only the frames tell whose it is, and it prints none.
    const forged = await fetch(`${stack.azure.arm.url}${CLUSTER_ID}/runCommand?api-version=2025-02-01`, {
      method: 'POST',
      headers: { authorization: 'Bearer anybody', 'content-type': 'application/json' },
      body: JSON.stringify({ command: `: ${marker}; echo forged` }),
    });
    expect(forged.status).toBe(202);
    const [looked] = await settled([lost.body.id]);
    expect(looked?.body).toMatchObject({ status: 'unknown', exitCode: null, stdout: '' });
    expect(looked?.body.warnings.join()).toContain('none could prove it');
  }, 60_000);
});
