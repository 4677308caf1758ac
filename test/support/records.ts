import type { PrincipalKey } from '../../shared/lib/ids.ts';
import type { BatchId, CommandId } from '../../shared/lib/ids.ts';
import type {
  AcceptedRecord,
  CommandRecord,
  CommandStatus,
  CompletedRecord,
  UnknownRecord,
} from '../../shared/store/records.ts';

export const commandId = (id: string): CommandId => id as CommandId;
export const batchId = (id: string): BatchId => id as BatchId;
export const ownerKey = (owner: string): PrincipalKey => owner as PrincipalKey;

export const alice = ownerKey('user:aaaaaaaa-0000-4000-8000-000000000001:dddddddd-0000-4000-8000-000000000001');
export const start = Date.UTC(2026, 0, 1);

type AllFields = Omit<CompletedRecord, 'status'> & Omit<UnknownRecord, 'status' | 'azure'>;
export type RecordChanges = Partial<AllFields> & { readonly status?: CommandStatus };

const intended = { receipt: 'a.b.c' };
const azure = { commandId: 'c0ffee' };
const failure = { code: 'a-code', message: 'a message' };
const finishedAt = start + 300_000;

/** What a record of each status has besides what every record has. */
const ownFields: Readonly<Record<CommandStatus, RecordChanges>> = {
  accepted: {},
  submitting: intended,
  running: { ...intended, azure },
  completed: { ...intended, azure, exitCode: 0, timedOut: false, truncated: false, streams: 'separate', finishedAt },
  failed: { failure, finishedAt },
  unknown: { ...intended, failure, finishedAt },
};

/** The record with changes, and with whatever else its status asks for. */
export const changed = (record: CommandRecord, changes: RecordChanges): CommandRecord =>
  ({ ...ownFields[changes.status ?? record.status], ...record, ...changes }) as CommandRecord;

/** A record as the gateway makes it: accepted, unless `changes` say otherwise. */
export const commandRecord = (id: string, changes: RecordChanges = {}): CommandRecord =>
  changed(acceptedRecord(id), changes);

export const acceptedRecord = (
  id: string,
  changes: Partial<Omit<AcceptedRecord, 'id' | 'status'>> = {},
): AcceptedRecord => ({
  id: commandId(id),
  version: 1,
  cluster: 'demo',
  armId: '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/demo',
  owner: alice,
  principal: {
    kind: 'user',
    tid: 'aaaaaaaa-0000-4000-8000-000000000001',
    oid: 'dddddddd-0000-4000-8000-000000000001',
  },
  argv: ['kubectl', 'get', 'pods'],
  decision: { role: 'viewer', rule: 'allow[0]' },
  status: 'accepted',
  submittedAt: start,
  timeoutSeconds: 300,
  nonce: '00112233445566778899aabbccddeeff',
  carrier: 'gateway-1',
  warnings: [],
  outputPurged: false,
  ...changes,
});
