import { outcomeEvents, type AuditEvent } from '../../audit/events.ts';
import type { AuditTrail, Recorded } from '../../audit/trail.ts';
import type { Clock } from '../../clock.ts';
import { NO_CLUSTER, outcomeOf } from '../metrics.ts';
import type { Telemetry } from '../telemetry.ts';

/** The trail, its events counted once they are durable: what the metrics say of commands and callers is what the trail says. */
export const observedTrail = (trail: AuditTrail, telemetry: Telemetry, clock: Clock): AuditTrail => ({
  ...trail,
  record: async (event) => {
    const began = clock.monotonic();
    const timed = (result: 'ok' | 'failed'): void =>
      telemetry.time('aksgw.audit.duration', { result }, clock.monotonic() - began);
    try {
      const recorded = await spanned(telemetry, event, () => trail.record(event));
      timed('ok');
      count(telemetry, event);
      return recorded;
    } catch (error) {
      timed('failed');
      throw error;
    }
  },
});

/** The two moments of the corridor that wait for the trail. */
function spanned(telemetry: Telemetry, event: AuditEvent, record: () => Promise<Recorded>): Promise<Recorded> {
  if (event.event === 'command.intended') {
    const attributes = { 'aksgw.cluster': event.cluster?.name, 'aksgw.command.id': event.commandId };
    return telemetry.span('intent', attributes, record);
  }
  if (!isOutcome(event)) return record();
  const { commandId, whose, exitCode } = event;
  const attributes = {
    'aksgw.cluster': whose?.cluster.name,
    'aksgw.command.id': commandId,
    'aksgw.outcome': outcomeOf(event.event, exitCode),
  };
  return telemetry.span('outcome', attributes, record);
}

type Outcome = Extract<AuditEvent, { readonly event: (typeof outcomeEvents)[number] }>;

const isOutcome = (event: AuditEvent): event is Outcome => (outcomeEvents as readonly string[]).includes(event.event);

function count(telemetry: Telemetry, event: AuditEvent): void {
  if (isOutcome(event)) {
    const outcome = outcomeOf(event.event, event.exitCode);
    return telemetry.count('aksgw.commands', { cluster: event.whose?.cluster.name ?? NO_CLUSTER, outcome });
  }
  // The compiler cannot see that the function is the one of this event.
  const counting = counts[event.event] as ((to: Telemetry, event: AuditEvent) => void) | undefined;
  return counting?.(telemetry, event);
}

type OfEvent<Name, Event = AuditEvent> = Event extends { readonly event: infer Names }
  ? Name extends Names
    ? Event
    : never
  : never;

const clusterOf = (event: { readonly cluster?: { readonly name: string } | undefined }): string =>
  event.cluster?.name ?? NO_CLUSTER;

/** What is counted beside outcomes, by event. */
const counts: { readonly [Name in AuditEvent['event']]?: (to: Telemetry, event: OfEvent<Name>) => void } = {
  'command.intended': (to, event) => to.count('aksgw.commands.intended', { cluster: clusterOf(event) }),
  'command.settled': (to, { whose }) =>
    to.count('aksgw.commands.settled', { cluster: whose?.cluster.name ?? NO_CLUSTER }),
  'command.replayed': (to) => to.count('aksgw.commands.replayed', {}),
  'command.denied': (to, event) => to.count('aksgw.denials', { by: 'policy', cluster: clusterOf(event) }),
  'principal.denied': (to, event) => to.count('aksgw.denials', { by: 'principal', cluster: clusterOf(event) }),
  'command.refused': (to, { problem }) => to.count('aksgw.refusals', { code: problem }),
  'request.refused': (to, { problem }) => to.count('aksgw.refusals', { code: problem }),
  'auth.failed': (to, { problem }) => to.count('aksgw.unauthenticated', { code: problem }),
  'rate-limited': (to) => to.count('aksgw.limited', {}),
  'config.loaded': (to) => to.count('aksgw.config.loads', { result: 'ok' }),
  'config.refused': (to) => to.count('aksgw.config.loads', { result: 'failed' }),
};
