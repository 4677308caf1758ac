import type { CommandId } from '../../../shared/lib/ids.ts';
import { constants } from 'node:fs';
import * as nodeFs from 'node:fs/promises';
import { openAuditTrail } from '../../../shared/audit/write/open-trail.ts';
import type { RequestFacts } from '../../../shared/audit/events.ts';
import type { RootKey } from '../../../shared/audit/root-key.ts';
import { type Clock, systemEntropy } from '../../../shared/clock.ts';
import { createFileLog } from '../../../shared/store/file-log.ts';
import { completed, facts, intended } from '../../audit/support/samples.ts';

/** What is known of a trail that was written for a bench. */
export interface WrittenTrail {
  readonly events: number;
  /** Epoch ms of its first and its last event. */
  readonly began: number;
  readonly ended: number;
}

/** Between one event and the next: a million in ten days. */
const STEP_MS = 864;
const PROCESSES = 2;
const PRINCIPALS = 100;
const CLUSTERS = 10;
/** Events handed in before the first of them is awaited: the writer's largest batch. */
const AT_ONCE = 255;

export const principalOf = (index: number): string =>
  `22222222-2222-4222-8222-${String(index % PRINCIPALS).padStart(12, '0')}`;
export const clusterOf = (index: number): string => `c${index % CLUSTERS}`;
export const commandOf = (index: number): string => `0c0ffee0-0000-4000-8000-${String(index).padStart(12, '0')}`;

/**
 * A trail as two gateways leave it over ten days, written by the gateway's own code: three events a command, from intent to
 * outcome. Only the disk is not waited for, and the clock is made up.
 */
export async function writeTrail(folder: string, key: RootKey, events: number): Promise<WrittenTrail> {
  const began = Date.now() - events * STEP_MS;
  let step = 0;
  const clock: Clock = {
    now: () => began + step * STEP_MS,
    monotonic: () => step * STEP_MS,
    sleep: (_, { signal } = {}) =>
      new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
  };
  const log = createFileLog({
    folder,
    syncOnWrite: true,
    fs: {
      ...nodeFs,
      open: (file, flags, mode) =>
        nodeFs.open(file, typeof flags === 'number' ? flags & ~constants.O_DSYNC : flags, mode),
    },
  });
  const options = { log, key, clock, entropy: systemEntropy, build: 'bench' };
  const trails = await Promise.all(Array.from({ length: PROCESSES }, () => openAuditTrail(options)));
  let under: Promise<unknown>[] = [];
  for (let command = 0; step < events; command += 1) {
    const trail = trails[command % PROCESSES];
    if (!trail) continue;
    const commandId = commandOf(command) as CommandId;
    for (const event of [
      intended(commandId, requestOf(command)),
      { event: 'command.accepted', commandId, azureCommandId: commandId.replaceAll('-', '') } as const,
      completed(commandId),
    ]) {
      under.push(trail.record(event));
      step += 1;
    }
    if (under.length < AT_ONCE) continue;
    await Promise.all(under);
    under = [];
  }
  await Promise.all(under);
  await Promise.all(trails.map((trail) => trail.close()));
  return { events: step, began, ended: clock.now() };
}

const requestOf = (command: number): Partial<RequestFacts> => ({
  requestId: commandOf(command),
  ...(facts.principal && { principal: { ...facts.principal, oid: principalOf(command) } }),
  ...(facts.cluster && { cluster: { ...facts.cluster, name: clusterOf(command) } }),
});
