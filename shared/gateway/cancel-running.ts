import type { Cluster } from '../config/config.ts';
import { sameArmId } from '../config/values.ts';
import { Problem } from '../errors.ts';
import { pause } from '../lib/abort.ts';
import type { BatchId, CommandId } from '../lib/ids.ts';
import { cancelId, stepId } from '../store/derived-ids.ts';
import type { CommandRecord } from '../store/records.ts';
import type { GatewayContext } from './context.ts';
import type { ActiveCommand } from './lifecycle/context.ts';
import { startOwnCommand } from './own-command.ts';

/** How often a cancel is sent for one command, where the one before did not end it. */
const MOST_ATTEMPTS = 3;
/** A cancel looks for the pod for a while, and then gives up. */
const LIMIT_SECONDS = 60;
/** A POST is answered within this time (assumption `post-blocks`): until then Azure's id of the command may come. */
const SUBMITTING_MS = 120_000;
const LOOK_MS = 500;
/** How long a cluster counts as one that takes no exec. */
const REFUSED_MS = 3_600_000;

/**
 * Azure has no way to end a command. So a command of the gateway's own goes into its pod and tells the launcher to end it (TERM): the pod then
 * ends in its usual way, with all that was printed. Resolves when that was asked for; it takes a POST and the start of a pod. Throws Problem
 * `cancel-unavailable`.
 */
export async function cancelRunning(
  context: GatewayContext,
  record: CommandRecord,
  target: CommandId | BatchId,
  onBehalfOf: string,
): Promise<void> {
  const cluster = cancellableCluster(context, record);
  if (record.status === 'submitting') {
    afterSubmitting(context, record, target, onBehalfOf).catch(context.onError);
    return;
  }
  await send(context, cluster, record, target, onBehalfOf);
}

function cancellableCluster(context: GatewayContext, { armId, cluster: name }: CommandRecord): Cluster {
  const cluster = [...context.config.current().clusters.values()].find(({ arm }) => sameArmId(arm.id, armId));
  const unavailable = (why: string): Problem => new Problem('cancel-unavailable', why);
  if (!cluster) throw unavailable(`The cluster ${name} is no longer configured.`);
  if (cluster.runAs === 'caller')
    throw unavailable(`On ${name} commands run with their callers' rights, and the gateway has none to end one.`);
  const refused = context.cancelRefused.get(cluster.arm.id) ?? Number.NEGATIVE_INFINITY;
  if (context.clock.monotonic() - refused < REFUSED_MS)
    throw unavailable(`The cluster ${name} let the gateway into no pod when it last tried.`);
  return cluster;
}

/** Nothing can be found before Azure's id of it is known. */
async function afterSubmitting(
  context: GatewayContext,
  first: CommandRecord,
  target: CommandId | BatchId,
  onBehalfOf: string,
): Promise<void> {
  const { clock, records, lifecycle } = context;
  const until = clock.monotonic() + SUBMITTING_MS;
  let record = first;
  while (record.status === 'submitting' && clock.monotonic() < until && !lifecycle.stopping.aborted) {
    await pause(clock, LOOK_MS, lifecycle.stopping);
    record = (await records.get(first.id)) ?? record;
  }
  if (record.status === 'running') await send(context, cancellableCluster(context, record), record, target, onBehalfOf);
}

async function send(
  context: GatewayContext,
  cluster: Cluster,
  record: CommandRecord,
  target: CommandId | BatchId,
  onBehalfOf: string,
): Promise<void> {
  if (record.status !== 'running') return;
  const id = await nextAttempt(context, target);
  if (id === undefined) return;
  const nonces = await noncesOf(context, record, target);
  const whole = record.batch !== undefined && target === record.batch.id;
  const words = cancelWords(`command-${record.azure.commandId}`, nonces, whole ? 'main' : 'pid');
  const reason = `cancel ${whole ? 'batch' : 'command'} ${target}, for ${onBehalfOf}`;
  const own = { id, cluster, purpose: 'cancel', reason, words, timeoutSeconds: LIMIT_SECONDS } as const;
  const active = await startOwnCommand(context, own).catch(async (error: unknown) => {
    // Somebody asked for the same at the same moment.
    if (await context.records.get(id)) return undefined;
    throw error;
  });
  if (active) learn(context, cluster, active).catch(context.onError);
}

/** The id of the next cancel; undefined while one is under way. Throws Problem when there were enough. */
async function nextAttempt({ records }: GatewayContext, target: CommandId | BatchId): Promise<CommandId | undefined> {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
    const id = cancelId(target, attempt);
    const before = await records.get(id);
    if (!before) return id;
    if (before.status !== 'completed' && before.status !== 'failed' && before.status !== 'unknown') return undefined;
  }
  throw new Problem('cancel-unavailable', 'The command was signalled several times, and has not ended.');
}

/** By which the pod knows the launcher's folder: that of the step, or of any of the batch's. */
async function noncesOf(
  { records }: GatewayContext,
  { batch, nonce }: CommandRecord,
  target: CommandId | BatchId,
): Promise<readonly string[]> {
  if (!batch || target !== batch.id) return [nonce];
  const steps = Array.from({ length: batch.of }, (_, step) => records.get(stepId(batch.id, step)));
  return (await Promise.all(steps)).flatMap((step) => (step ? [step.nonce] : []));
}

async function learn(
  { cancelRefused, clock }: GatewayContext,
  { arm }: Cluster,
  { finished }: ActiveCommand,
): Promise<void> {
  const ended = await finished;
  if (ended.status !== 'completed') return;
  if (ended.exitCode === exits.refused || ended.exitCode === exits.deleted)
    cancelRefused.set(arm.id, clock.monotonic());
  else cancelRefused.delete(arm.id);
}

/** How the program below ends. */
const exits = { notFound: 3, refused: 4, deleted: 5 } as const;

/** A part of the nonce finds the folder; the rest stays unknown to those who read the spec of the cancelling pod. */
const PREFIX = 8;

/** In the command's container: TERM to the launcher, or to its step, if it is there. */
const finder = [
  `k=$1; shift; for b in "\${TMPDIR:-/tmp}" /tmp /dev/shm /var/tmp "\${HOME:-/}" "$PWD"; do for n do for f in "$b/aksgw.$n"*/"$k"; do`,
  `if [ -f "$f" ]; then read -r p <"$f" || [ -n "$p" ]; kill -TERM "$p" && exit 0; fi;`,
  `done; done; done; exit ${exits.notFound}`,
].join(' ');

/**
 * Looks for the launcher until it is found: the pod may still be starting. Where the cluster lets nobody into a pod that runs, the pod is
 * deleted, and what the command had printed may be lost.
 */
const program = [
  `p=$1; shift; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do`,
  `kubectl exec -n aks-command "$p" -c user-command -- sh -c "$@"; r=$?; [ "$r" != 0 ] || exit 0; sleep 1; done;`,
  `[ "$r" != ${exits.notFound} ] || exit ${exits.notFound};`,
  `s=\`kubectl get pod "$p" -n aks-command --no-headers\`; case $s in *" Running "*) ;; *) exit ${exits.notFound};; esac;`,
  `kubectl delete pod "$p" -n aks-command --wait=false && exit ${exits.deleted}; exit ${exits.refused}`,
].join(' ');

const cancelWords = (pod: string, nonces: readonly string[], kind: 'pid' | 'main'): readonly string[] => [
  'sh',
  '-c',
  program,
  'cancel',
  pod,
  finder,
  'find',
  kind,
  ...nonces.map((nonce) => nonce.slice(0, PREFIX)),
];
