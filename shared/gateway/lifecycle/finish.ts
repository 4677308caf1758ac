import type { AuditEvent } from '../../audit/events.ts';
import type { AuditTrail } from '../../audit/trail.ts';
import type { Clock } from '../../clock.ts';
import type { HeldRecord } from './leased-record.ts';
import type { Ended } from '../../relay/relay.ts';
import type { CommandRecord, Records } from '../../store/records.ts';

export interface EndingOptions {
  readonly records: Pick<Records, 'putOutput'>;
  readonly trail: AuditTrail;
  readonly clock: Clock;
}

type Failure = NonNullable<CommandRecord['failure']>;
type EndWithoutOutput = 'command.rejected' | 'command.unknown' | 'command.failed' | 'command.interrupted';

/** How a command ends: audited first, then stored, so that no result is given out before its outcome is durable. */
export function createEnding({ records, trail, clock }: EndingOptions) {
  /** An end without output. */
  async function close(held: HeldRecord, event: EndWithoutOutput, failure: Failure): Promise<CommandRecord> {
    await held.assure();
    await trail.record({ event, ...about(held.current()), failure });
    return held.move({
      status: event === 'command.unknown' ? 'unknown' : 'failed',
      failure,
      finishedAt: clock.now(),
    });
  }

  /** What Azure told of the end; `audited` when a process before this one had it in the trail already. */
  async function finish(held: HeldRecord, ended: Ended, audited: boolean): Promise<CommandRecord> {
    if (ended.kind !== 'completed') {
      const failure = { code: ended.code, message: ended.message };
      if (!audited) return close(held, ended.kind === 'failed' ? 'command.failed' : 'command.unknown', failure);
      return held.move({ status: ended.kind, failure, finishedAt: clock.now() });
    }
    await held.assure();
    const { stdout, stderr, exitCode, streams, truncated, timedOut, startedAt, finishedAt, warnings } = ended;
    const stored = records.putOutput(held.current().id, { stdout, stderr });
    stored.catch(() => undefined); // awaited below; the audit's own failure comes first
    if (!audited) {
      if (ended.inconsistent)
        await trail.record({ event: 'command.inconsistent', ...about(held.current()), detail: ended.inconsistent });
      await trail.record(completed(held.current(), ended));
    }
    await stored;
    return held.move({
      status: 'completed',
      exitCode,
      streams,
      truncated,
      timedOut,
      startedAt,
      finishedAt: finishedAt ?? clock.now(),
      warnings: [...held.current().warnings, ...warnings],
    });
  }

  return { close, finish };
}

/** Whose command it is, in each event of it: so that a question by principal or cluster finds how it ended, too. */
export const about = ({ id, principal: { tid, oid }, cluster }: CommandRecord) => ({
  commandId: id,
  whose: { principal: { tid, oid }, cluster: { name: cluster } },
});

function completed(record: CommandRecord, ended: Extract<Ended, { kind: 'completed' }>): AuditEvent {
  const { exitCode, timedOut, truncated, stdout, stderr } = ended;
  return {
    event: 'command.completed',
    ...about(record),
    exitCode,
    timedOut,
    cut: truncated,
    bytes: stdout.length + stderr.length,
    stdout,
  };
}

/** Of commands whose process is gone: what is known of them. */
export const INTERRUPTED: Failure = {
  code: 'interrupted',
  message: 'The gateway stopped before the command was sent. Nothing was run; send it again if it is still wanted.',
};
export const REJECTED: Failure = {
  code: 'interrupted',
  message:
    'The command was not taken; the gateway stopped before it could say why. Nothing was run; send it again if it is still wanted.',
};
export const LOST: Failure = {
  code: 'interrupted',
  message:
    'The gateway stopped while the command was being sent. It may or may not have run; look before sending it again.',
};
