import type { Message } from './chat/message.ts';
import { headline, write } from './chat/message.ts';
import { batchMessage, recordMessage } from './chat/messages.ts';
import type { Config, ConfigSource, Webhook } from './config/config.ts';
import { readsOf } from './health/reads.ts';
import type { NotifyContext } from './notify/deliver.ts';
import type { Told } from './notify/payload.ts';
import { isBlocked, type Policy } from './policy/policy.ts';
import { stepsOfBatch } from './store/batch-steps.ts';
import { batchStatus } from './store/batch-status.ts';
import type { DeliveredJob, DeliveredLook, Delivery } from './store/delivery.ts';
import type { CommandRecord, Records } from './store/records.ts';

interface NoticesContext {
  readonly config: Pick<ConfigSource, 'current'>;
  readonly policyOf: (config: Config) => Policy;
  readonly records: Pick<Records, 'get' | 'getOutput'>;
}

/** What a webhook is told: the same words as those who ask get, written at the moment in which they go out. */
export const createNotices =
  (context: NoticesContext): NotifyContext['tell'] =>
  async (delivery, record, webhook) => {
    const { about } = delivery;
    if (about.event === 'job.looked') return lookNotice(context, delivery, about, webhook);
    if ('job' in about) return jobNotice(delivery, about);
    if (!record) return 'the record of the command is gone';
    const { config, policyOf } = context;
    const policy = policyOf(config.current());
    if ([record.principal, record.requester].some((one) => one && isBlocked(policy, one)))
      return 'its caller is blocked';
    return record.batch
      ? batchNotice(context, delivery, { ...record, batch: record.batch }, webhook)
      : commandNotice(context, delivery, record, webhook);
  };

async function commandNotice(
  { config, records }: NoticesContext,
  { about, createdAt }: Delivery,
  record: CommandRecord,
  { output: withOutput }: Webhook,
): Promise<Told | undefined> {
  if ('on' in about && about.on === 'failure' && wentWell(record)) return undefined;
  const output = withOutput && record.status === 'completed' ? await records.getOutput(record.id) : undefined;
  const { path, link } = addressOf(config.current(), `/v1/commands/${record.id}`);
  const data = {
    id: record.id,
    ...factsOf(record),
    status: record.status,
    exitCode: exitCodeOf(record),
    address: path,
  };
  return told(about.event, createdAt, data, recordMessage({ record, output }, link));
}

async function batchNotice(
  { config, records }: NoticesContext,
  { about, createdAt }: Delivery,
  leader: CommandRecord & { readonly batch: NonNullable<CommandRecord['batch']> },
  { output: withOutput }: Webhook,
): Promise<Told | undefined> {
  const steps = await stepsOfBatch(records, leader);
  if ('on' in about && about.on === 'failure' && steps.every(wentWell)) return undefined;
  const items = await Promise.all(
    steps.map(async (record) => ({
      record,
      output: withOutput && record.status === 'completed' ? await records.getOutput(record.id) : undefined,
    })),
  );
  const { id, onError } = leader.batch;
  const status = batchStatus(steps.map((step) => step.status));
  const { path, link } = addressOf(config.current(), `/v1/batches/${id}`);
  const data = { id, ...factsOf(leader), status, exitCodes: steps.map(exitCodeOf), address: path };
  const message = batchMessage({ id, status, onError, items }, link);
  const isLook = steps.every(({ argv }) => readsOf(argv).length > 0);
  return told(about.event, createdAt, data, isLook && status === 'completed' ? lookedByHand(message) : message);
}

/** That reads ran, or that one may not be made, says nothing of how the cluster is. */
const lookedByHand = (message: Message): Message => ({ ...message, outcome: '🔎 looked: aksgw health says how it is' });

function jobNotice({ createdAt }: Delivery, { event, job, slot, commandId, detail }: DeliveredJob): Told {
  const due = slot === undefined ? undefined : new Date(slot).toISOString();
  return told(
    event,
    createdAt,
    { job, slot: due ?? null, commandId: commandId ?? null, detail },
    {
      outcome: `${jobSigns[event] ?? '🗓️'} ${event}`,
      facts: [job, due],
      body: { head: detail.split('\n'), tail: [], leftOut: 0 },
    },
  );
}

/** What a look found. Text out of the cluster only where a webhook takes output. */
function lookNotice(
  { config }: NoticesContext,
  { createdAt }: Delivery,
  { event, job, slot, commandId, cluster, status, change, summary, lines }: DeliveredLook,
  { output }: Webhook,
): Told {
  const { path, link } = addressOf(config.current(), `/v1/clusters/${cluster}/health`);
  const due = new Date(slot).toISOString();
  const facts = { job, slot: due, commandId, cluster, status, change, found: summary, address: path };
  return told(event, createdAt, output ? { ...facts, lines } : facts, {
    outcome: change === 'recovered' ? '✅ well again' : (lookSigns[status] ?? status),
    facts: [cluster, summary, job, due],
    body: { head: lines, tail: [], leftOut: 0 },
    link,
  });
}

const lookSigns: Readonly<Record<string, string>> = {
  ok: '✅ well',
  degraded: '⚠️ degraded',
  failing: '❌ failing',
  unknown: '❓ not known',
  'not-allowed': '🔒 not all of it may be seen',
};

const jobSigns: Readonly<Record<string, string>> = {
  'job.failed': '❌',
  'job.missed': '⚠️',
  'job.suspended': '⚠️',
};

const told = (event: string, at: number, data: Told['data'], message: Message): Told => ({
  event,
  at,
  data,
  link: message.link,
  say: (profile, much) =>
    much === 'line'
      ? headline(message, profile)
      : write(much === 'all' ? message : { ...message, link: undefined }, profile),
});

const wentWell = (record: CommandRecord): boolean => record.status === 'completed' && record.exitCode === 0;
const exitCodeOf = (record: CommandRecord): number | null => (record.status === 'completed' ? record.exitCode : null);

const factsOf = ({ cluster, argv, principal, requester, requestedBy, job }: CommandRecord) => ({
  cluster,
  argv,
  principal,
  requester: requester ?? null,
  requestedBy: requestedBy ?? null,
  job: job?.name ?? null,
});

/** Where the rest is; as an address only where the gateway knows its own. */
function addressOf({ publicUrl }: Config, path: string): { readonly path: string; readonly link: string | undefined } {
  const link = publicUrl === undefined ? undefined : `${publicUrl}${path}`;
  return { path: link ?? path, link };
}
