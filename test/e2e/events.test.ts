import { expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEMO_CLUSTER } from '../../infra/local/azure.ts';
import { eventCodes } from '../../shared/audit/events.ts';
import { readRootKey } from '../../shared/audit/keys.ts';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { systemClock } from '../../shared/clock.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { linesOf } from '../audit/support/samples.ts';
import { explainLine, nameOf, tear } from '../audit/support/lines.ts';
import { people, testStack } from '../support/stack.ts';
import { acceptedRecord, ownerKey } from '../support/records.ts';

const RESTART = { argv: ['kubectl', 'rollout', 'restart', 'deployment/web', '-n', 'shop'] };

/**
 * Scheduled jobs (jobs/), commands that are cancelled (e2e/cancel) and a configuration that changes (config/) have tests of their own; what
 * is purged must be a day old.
 */
const elsewhere = (name: string): boolean =>
  /^job\.|^delivery\.|^command\.(cancel|settled)/.test(name) ||
  ['result.purged', 'config.loading', 'config.refused'].includes(name);

test('the whole house writes every event there is but those of jobs, cancelling, settling and reloads, each as its schema says', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-events-'));
  const audit = join(folder, 'data/audit');
  const edit = (yaml: string) =>
    yaml
      .replace('submitsPerMinute: 30', 'submitsPerMinute: 6')
      .replace('blocked: []', `blocked: [{ app: ${people.bot} }]`);

  // A process that was killed: the end of its stream torn, a command taken and not yet sent.
  await (await testStack({ folder, edit })).close();
  tear(audit);
  const records = await openSqliteRecords(join(folder, 'data/gateway.sqlite'), { clock: systemClock });
  await records.create(
    acceptedRecord('0c0ffee0-0000-4000-8000-000000000000', {
      armId: DEMO_CLUSTER,
      owner: ownerKey('user:t:o'),
      submittedAt: Date.now(),
      carrier: '',
    }),
  );
  await records.close();

  const stack = await testStack({ folder, edit });
  const { arm } = stack.azure;
  try {
    await stack.gateway.sweep(); // the stack's own first sweep may have taken it already; its event is looked for below
    await stack.command(RESTART, { token: 'nonsense' });
    await stack.command(RESTART, { token: stack.tokens.bot });
    await stack.command({ argv: ['kubectl', 'exec', 'web', '--', 'sh'] }, { token: stack.tokens.job });
    await stack.command({ argv: ['rm', '-rf', '/'] }, { token: stack.tokens.job });
    await stack.explain(RESTART, { token: stack.tokens.job });

    const { body } = await stack.command(RESTART, { headers: { 'idempotency-key': 'k' } });
    expect(body.status).toBe('completed');
    await stack.command(RESTART, { headers: { 'idempotency-key': 'k' } });
    await stack.request('GET', `/v1/commands/${body.id}`);
    const missing = { argv: ['kubectl', 'get', 'configmap', 'missing', '-n', 'shop'] };
    const token = await stack.azure.entra.userToken({ oid: people.job, groups: [people.team] });
    for (const steps of [[missing], [missing, missing]])
      expect((await stack.request('POST', '/v1/clusters/demo/batches', { token, body: { steps } })).body).toMatchObject(
        { status: 'completed' },
      );
    await stack.request('GET', '/v1/commands');
    await stack.request('GET', '/v1/nowhere');
    arm.faults.post({ kind: 'status', status: 403, code: 'AuthorizationFailed', message: 'no right' });
    expect((await stack.command(RESTART)).body.code).toBe('azure-refused');
    arm.faults.post({ kind: 'failed', reason: 'ImagePullBackOff' });
    expect((await stack.command(RESTART)).body.status).toBe('failed');
    arm.faults.post({ kind: 'resetAfter' });
    expect((await stack.command(RESTART)).body.status).toBe('unknown');
    arm.faults.poll(
      ({ commandId }) => {
        const post = arm.posts.find((each) => each.commandId === commandId);
        const nonce = /n=(\w{16}); n="\$n"(\w{16});/
          .exec(post?.command ?? '')
          ?.slice(1)
          .join('');
        const fields = 'rc=3 timeout=0 enc=raw o=0,0,- e=0,0,- cut=0 miss=-';
        const logs = `AKSGW1 S ${nonce}\nAKSGW1 H ${nonce} ${fields}\nAKSGW1 T ${nonce} ${fields}\n`;
        const properties = { provisioningState: 'Succeeded', exitCode: 0, logs };
        return { kind: 'status', status: 200, body: { id: commandId, properties } };
      },
      { times: 1 },
    );
    expect((await stack.command(RESTART)).body.exitCode).toBe(3);
    expect((await stack.command(RESTART)).status).toBe(429);
    await stack.request('GET', '/v1/audit/events', { token: stack.tokens.auditor });
  } finally {
    await stack.close();
  }

  const log = createFileLog({ folder: audit });
  const lines = await linesOf(log);
  expect(lines.map(explainLine).filter((wrong) => wrong !== undefined)).toEqual([]);
  expect(new Set(lines.map(nameOf))).toEqual(new Set(Object.keys(eventCodes).filter((name) => !elsewhere(name))));
  const rootKeys = [await readRootKey({ kind: 'file', path: join(folder, 'data/signing.jwk') }, undefined)];
  expect((await verifyTrail(log, { rootKeys })).verdict).toBe('INTACT');
  rmSync(folder, { recursive: true, force: true });
});
