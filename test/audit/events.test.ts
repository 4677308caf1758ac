import { readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { type AuditEvent, type EventName, eventCodes, floodEvents, reservedCodes } from '../../shared/audit/events.ts';
import { FLOOD_SINGLES } from '../../shared/audit/write/flood.ts';
import { lineSchemas } from '../../shared/audit/schemas.ts';
import { alice, completed, createBench, facts, intended, linesOf, tenant } from './support/samples.ts';
import { explainLine, nameOf, tear } from './support/lines.ts';
import { batchId, commandId } from '../support/records.ts';

const whose = { principal: { tid: tenant, oid: alice }, cluster: { name: 'demo' } };
const slot = { job: 'nightly', slot: 0, detail: 'in time' };
const outcome = { commandId: commandId('cmd-1'), failure: { code: 'x', message: 'no\u0000pe' } };
const asked = { ...facts, argv: ['kubectl', 'get', 'pods'] };
const policyDigest = 'a'.repeat(64);
const crowd = Array.from({ length: 300 }, (_, n) => ({ path: `f${n}`, bytes: Buffer.from(`${n}`) }));
const attribute = { verb: 'list', group: '', resource: 'pods', subresource: '', namespace: 'shop', name: '' };

/** Two of each kind that the gateway composes: as little as there may be, and as much. */
const samples: Readonly<Record<AuditEvent['event'], readonly AuditEvent[]>> = {
  'config.loaded': [{ event: 'config.loaded', configDigest: policyDigest, policyDigest, build: '1.2.3' }],
  'config.refused': [{ event: 'config.refused', source: '/srv/gateway.yaml', detail: 'gateway.yaml:1: no' }],
  'config.loading': [
    {
      event: 'config.loading',
      source: '/srv/gateway.yaml',
      configDigest: policyDigest,
      policyDigest,
      previousConfigDigest: policyDigest,
      changed: ['policy'],
    },
  ],
  'auth.failed': [
    { event: 'auth.failed', requestId: 'r', problem: 'token-invalid', detail: 'no' },
    {
      event: 'auth.failed',
      requestId: 'r',
      problem: 'token-expired',
      detail: 'no',
      presented: { tid: tenant, oid: alice, azp: alice, uti: 'u'.repeat(22), signature: 'valid' },
    },
    { ...facts, event: 'auth.failed', problem: 'token-missing', detail: 'x'.repeat(100_000) },
  ],
  'principal.denied': [{ ...facts, event: 'principal.denied', detail: 'blocked' }],
  'command.refused': [
    { requestId: 'r', event: 'command.refused', argv: [], problem: 'request-invalid', detail: '' },
    {
      ...asked,
      event: 'command.refused',
      argv: Array.from({ length: 2_000 }, () => '\u202e'.repeat(2_000)),
      attributes: Array.from({ length: 300 }, () => attribute),
      files: crowd,
      stdin: Buffer.from('in'),
      reason: '\ud800'.repeat(9_000),
      problem: 'command-refused',
      detail: '',
    },
  ],
  'command.denied': [
    { ...asked, event: 'command.denied', decision: 'deny', policyDigest, detail: 'no' },
    { ...intended('x'), event: 'command.denied', decision: 'deny', detail: 'no' },
  ],
  'command.explained': [
    { ...asked, event: 'command.explained' },
    { ...intended('x'), event: 'command.explained' },
  ],
  'rate-limited': [
    { requestId: 'r', event: 'rate-limited', detail: '' },
    { ...facts, event: 'rate-limited', detail: 'many' },
  ],
  'command.intended': [
    intended('cmd-1'),
    { ...intended('cmd-1'), batchId: batchId('b'), rule: undefined, files: crowd, stdin: Buffer.from('') },
  ],
  'command.replayed': [{ ...facts, event: 'command.replayed', commandId: commandId('cmd-1') }],
  'command.accepted': [
    { event: 'command.accepted', commandId: commandId('cmd-1'), azureCommandId: 'a' },
    { event: 'command.accepted', commandId: commandId('cmd-1'), azureCommandId: 'a', azureRequestId: 'b', whose },
  ],
  'command.rejected': [{ ...outcome, event: 'command.rejected' }],
  'command.unknown': [{ ...outcome, event: 'command.unknown' }],
  'command.completed': [completed('cmd-1'), { ...completed('cmd-1'), whose }],
  'command.failed': [{ ...outcome, event: 'command.failed' }],
  'command.inconsistent': [
    { event: 'command.inconsistent', commandId: commandId('cmd-1'), detail: '3 and 0' },
    { event: 'command.inconsistent', commandId: commandId('cmd-1'), detail: '3 and 0', whose },
  ],
  'command.interrupted': [{ event: 'command.interrupted', commandId: commandId('cmd-1') }],
  'command.settled': [
    { event: 'command.settled', commandId: commandId('cmd-1'), azureCommandId: 'a', exitCode: 0, whose },
  ],
  'command.cancel-asked': [{ ...facts, event: 'command.cancel-asked', commandId: commandId('cmd-1') }],
  'command.cancelled': [{ event: 'command.cancelled', commandId: commandId('cmd-1'), whose }],
  'batch.intended': [
    {
      ...facts,
      event: 'batch.intended',
      batchId: batchId('b'),
      commandIds: [commandId('cmd-1'), commandId('cmd-2')],
      onError: 'stop',
    },
  ],
  'batch.ended': [{ event: 'batch.ended', batchId: batchId('b'), whose, status: 'completed' }],
  'batch.stopped': [{ event: 'batch.stopped', batchId: batchId('b'), status: 'completed' }],
  'result.read': [{ ...facts, event: 'result.read', commandId: commandId('cmd-1') }],
  'audit.read': [{ ...facts, event: 'audit.read', detail: 'all' }],
  'list.read': [{ ...facts, event: 'list.read', detail: 'commands' }],
  'request.refused': [
    { ...facts, event: 'request.refused', problem: 'route-not-found', detail: 'There is no GET /x.' },
    { requestId: 'r', event: 'request.refused', problem: 'request-invalid', detail: '' },
  ],
  'result.purged': [{ event: 'result.purged', count: 3 }],
  'job.fired': [{ ...slot, event: 'job.fired' }],
  'job.failed': [
    { ...slot, event: 'job.failed' },
    { ...slot, event: 'job.failed', commandId: commandId('cmd-1') },
  ],
  'job.missed': [{ ...slot, event: 'job.missed' }],
  'job.overlapped': [{ ...slot, event: 'job.overlapped' }],
  'job.suspended': [
    { ...slot, event: 'job.suspended' },
    { ...slot, event: 'job.suspended', commandId: commandId('cmd-1') },
  ],
  'job.run-by-hand': [{ ...facts, event: 'job.run-by-hand', job: 'nightly', detail: '{}' }],
  'delivery.sent': [
    {
      event: 'delivery.sent',
      deliveryId: 'd',
      webhook: 'ops',
      about: 'command.ended',
      commandId: 'c',
      attempts: 1,
      detail: 'answered 200',
      whose,
    },
  ],
  'delivery.failed': [
    {
      event: 'delivery.failed',
      deliveryId: 'd',
      webhook: 'ops',
      about: 'job.failed',
      job: 'nightly',
      attempts: 12,
      detail: 'given up',
    },
  ],
  'delivery.refused': [
    {
      event: 'delivery.refused',
      deliveryId: 'd',
      webhook: 'ops',
      about: 'command.ended',
      attempts: 1,
      detail: 'a private address',
    },
  ],
  'job.changed': [{ event: 'job.changed', job: 'nightly', detail: 'a → b' }],
};

describe('a trail', () => {
  let lines: readonly Record<string, unknown>[];
  beforeAll(async () => {
    await using bench = await createBench();
    const killed = await bench.open();
    await killed.record(intended('torn'));
    tear(bench.folder);
    const trail = await bench.open();
    for (const events of Object.values(samples)) for (const event of events) await trail.record(event);
    // A flood of each kind that is counted, and of more kinds than are told apart.
    for (const event of floodEvents)
      for (let n = 0; n < FLOOD_SINGLES + 5; n += 1) for (const one of samples[event]) await trail.record(one);
    for (let n = 0; n < 250; n += 1) {
      const principal = { tid: tenant, oid: `${alice}${n}`, idtyp: 'user', azp: 'a', uti: 'u' } as const;
      const event = { ...facts, event: 'rate-limited', principal, detail: 'many' } as const;
      await Promise.all([trail.record(event), trail.record(event)]);
    }
    await trail.close();
    lines = await linesOf(bench.log);
  });

  test('writes lines that are as their schema says, of every code there is', () => {
    expect(lines.map(explainLine).filter((wrong) => wrong !== undefined)).toEqual([]);
    expect(new Set(lines.map(nameOf))).toEqual(new Set(Object.keys(eventCodes)));
    const counted = lines.filter(({ aggregated }) => aggregated !== undefined);
    expect(counted.some(({ detail }) => detail === 'More kinds of it than are told apart')).toBe(true);
    expect(new Set(counted.map(nameOf))).toEqual(new Set(floodEvents));
  });

  test.each(Object.keys(eventCodes) as EventName[])(
    'and the schema of %s takes no member too many or too few, and no other code',
    (name) => {
      const line = lines.findLast(({ code }) => code === eventCodes[name]) ?? {};
      expect(explainLine(line)).toBeUndefined();
      expect(explainLine({ ...line, more: 1 })).toBeDefined();
      expect(explainLine({ ...line, prev: 'x' })).toBeDefined();
      expect(
        explainLine({ ...line, code: eventCodes[name === 'recovered' ? 'checkpoint' : 'recovered'] }),
      ).toBeDefined();
      for (const member of ['v', 'stream', 'seq', 'prev', 'time', 'monoMs', 'code'])
        expect(explainLine({ ...line, [member]: undefined })).toBeDefined();
    },
  );
});

test('the table of events in the README has every code and no other, and no code stands twice', () => {
  const readme = readFileSync(path.join(import.meta.dirname, '../../shared/audit/README.md'), 'utf8');
  const rows = [...readme.matchAll(/^\| (AKG\d{3}[IWE]) \| ([\w.-]+) \| (.+) \|$/gmu)].map(([, code, name]) => [
    name,
    code,
  ]);
  expect(rows).toEqual(Object.entries(eventCodes));
  expect(new Set(rows.map(([, code]) => code?.slice(3, 6))).size).toBe(rows.length);
  expect([...lineSchemas.keys()]).toEqual(Object.keys(eventCodes));

  const reserved = [...readme.matchAll(/^\| ([\w.-]+) \| (AKG\d{3}[IWE]) \|$/gmu)].map(([, name, code]) => [
    name,
    code,
  ]);
  expect(reserved).toEqual(Object.entries(reservedCodes));
  const numbers = [...Object.values(eventCodes), ...Object.values(reservedCodes)].map((code) => code.slice(3, 6));
  expect(new Set(numbers).size).toBe(numbers.length);
});
