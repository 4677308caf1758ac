import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type AuditTrailOptions, openAuditTrail } from '../../../shared/audit/write/open-trail.ts';
import type { AuditEvent, RequestFacts } from '../../../shared/audit/events.ts';
import { type LocalRootKey, loadLocalRootKey } from '../../../shared/audit/keys.ts';
import type { AuditTrail } from '../../../shared/audit/trail.ts';
import { systemEntropy } from '../../../shared/clock.ts';
import type { AppendLog, AppendStream } from '../../../shared/store/append-log.ts';
import { createFileLog } from '../../../shared/store/file-log.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { commandId } from '../../support/records.ts';

export const tenant = '11111111-1111-4111-8111-111111111111';
export const alice = '22222222-2222-4222-8222-222222222222';

export const facts: RequestFacts = {
  requestId: 'req-1',
  principal: { tid: tenant, oid: alice, idtyp: 'user', azp: '33333333-3333-4333-8333-333333333333', uti: 'AbCdEf' },
  claimed: { requestedBy: 'U02ABC on Slack', ip: '10.1.2.3', userAgent: 'bot/1.0' },
  cluster: {
    name: 'demo',
    armId: '/subscriptions/s/resourceGroups/g/providers/x/managedClusters/demo',
    runAs: 'gateway',
  },
};

export const intended = (id: string, more: Partial<Extract<AuditEvent, { event: 'command.intended' }>> = {}) =>
  ({
    ...facts,
    event: 'command.intended',
    commandId: commandId(id),
    argv: ['kubectl', 'get', 'pods', '-n', 'shop'],
    attributes: [{ verb: 'list', group: '', resource: 'pods', subresource: '', namespace: 'shop', name: '' }],
    reason: 'INC-1234',
    text: "'kubectl' 'get' 'pods.v1.' '-n' 'shop'",
    decision: 'allow',
    rule: 'viewer/allow[0]',
    policyDigest: 'a'.repeat(64),
    configDigest: 'b'.repeat(64),
    ...more,
  }) as const satisfies AuditEvent;

export const completed = (id: string, exitCode = 0) =>
  ({
    event: 'command.completed',
    commandId: commandId(id),
    exitCode,
    timedOut: false,
    bytes: 5,
    cut: false,
    stdout: Buffer.from('hello'),
  }) as const satisfies AuditEvent;

export interface Bench {
  readonly folder: string;
  readonly log: AppendLog;
  readonly key: LocalRootKey;
  readonly clock: ReturnType<typeof createManualClock>;
  open(options?: Partial<AuditTrailOptions>): Promise<AuditTrail>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A folder of its own with a root key, and trails in it that share a clock. */
export async function createBench(log?: (folder: string) => AppendLog): Promise<Bench> {
  const root = await mkdtemp(path.join(tmpdir(), 'aksgw-audit-'));
  const folder = path.join(root, 'log');
  const key = await loadLocalRootKey(path.join(root, 'signing.jwk'));
  const clock = createManualClock();
  const opened: AppendStream[] = [];
  const own = log?.(folder) ?? keepingOpened(createFileLog({ folder }), opened);
  return {
    folder,
    log: own,
    key,
    clock,
    open: (options = {}) => openAuditTrail({ log: own, key, clock, entropy: systemEntropy, build: 'test', ...options }),
    [Symbol.asyncDispose]: async () => {
      // Those of trails that were killed too, as the end of a process does it.
      await Promise.all(opened.map((stream) => stream.close()));
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Notes each stream that is opened. */
const keepingOpened = (log: AppendLog, opened: AppendStream[]): AppendLog => ({
  ...log,
  open: async (stream) => {
    const made = await log.open(stream);
    opened.push(made);
    return made;
  },
});

/** Every whole line of every stream. */
export async function linesOf(log: AppendLog): Promise<readonly Record<string, unknown>[]> {
  const lines: Record<string, unknown>[] = [];
  for (const stream of await log.streams())
    for await (const { text, complete } of log.read(stream))
      if (complete) lines.push(JSON.parse(text) as Record<string, unknown>);
  return lines;
}
