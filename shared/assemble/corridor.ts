import { createAdmission } from '../admission/admission.ts';
import { countingLines } from '../admission/count-lines.ts';
import { createStoredResults, type StoredResults } from '../admission/stored-results.ts';
import { createTraffic, type Traffic } from '../admission/traffic.ts';
import { createIdempotency } from '../admission/idempotency.ts';
import { createLargeTexts } from '../admission/large-texts.ts';
import type { AuditTrail } from '../audit/trail.ts';
import { outcomesOf } from '../audit/read/outcome.ts';
import { checkpoints, queryEvents } from '../audit/read/query.ts';
import { sameArmId } from '../config/values.ts';
import { createGateway, type Gateway } from '../gateway/gateway.ts';
import { createLifecycle, type Lifecycle } from '../gateway/lifecycle/lifecycle.ts';
import { observedAdmission } from '../telemetry/observe/admission.ts';
import { observedRelay } from '../telemetry/observe/relay.ts';
import { createRelay } from '../relay/create.ts';
import type { Relay } from '../relay/relay.ts';
import type { Base } from './base.ts';
import type { Own } from './close-all.ts';

/** The way of a request, from admission to Azure and back. */
export interface Corridor {
  readonly gateway: Gateway;
  readonly lifecycle: Lifecycle;
  readonly relay: Relay;
  readonly traffic: Traffic;
  /** The trail, each line of it counted for the caller who caused it. */
  readonly counted: AuditTrail;
}

export function openCorridor(base: Base, own: Own): Corridor {
  const { options, config, policyOf, credential, records, trail, streams, holder, clock, entropy, messages } = base;
  const {
    observe,
    measured: { telemetry },
  } = base;
  const sender = own(
    createRelay({
      config: config.current,
      credential,
      clock,
      entropy,
      leases: records,
      holder,
      env: options.env,
      told: (cluster, operation, answer) => telemetry.count('aksgw.azure.requests', { cluster, operation, answer }),
    }),
  );
  const relay = observe<Relay>(sender, observedRelay);
  const admission = observe(
    createAdmission({ records, limits: () => config.current().limits, clock }),
    observedAdmission,
  );
  const limits = () => config.current().limits;
  const traffic = createTraffic({ limits, clock });
  const counted = countingLines(trail, traffic);
  const results = createStoredResults({
    records,
    limits,
    hours: () => config.current().storage.resultsHours,
    clock,
    onError: messages.report,
  });
  const lifecycle = openLifecycle(base, relay, results);
  const gateway = createGateway(
    {
      config,
      policyOf,
      trail: counted,
      auditLog: { events: (query) => queryEvents(streams, query), checkpoints: (query) => checkpoints(streams, query) },
      relay,
      records,
      admission,
      traffic,
      largeTexts: createLargeTexts(clock),
      results,
      idempotency: createIdempotency({ records, clock }),
      lifecycle,
      cancelRefused: new Map(),
      discovered: new Map(),
      clock,
      entropy,
      onError: messages.report,
      inRoom: (room, step) => telemetry.span(room, {}, step),
    },
    options.settleAfterMs,
  );
  telemetry.gauge('aksgw.commands.carried', () => [{ labels: {}, value: lifecycle.carried() }]);
  telemetry.gauge('aksgw.queue.waiting', () => [{ labels: {}, value: admission.queued() }]);
  return { gateway, lifecycle, relay, traffic, counted };
}

const openLifecycle = (base: Base, relay: Relay, results: StoredResults): Lifecycle => {
  const { options, config, records, trail, streams, holder, clock, entropy, messages } = base;
  return createLifecycle({
    onDelivery: base.deliveries.soon,
    records,
    results,
    trail,
    relay,
    clock,
    holder,
    ...(options.leaseMs !== undefined && { leaseMs: options.leaseMs }),
    entropy,
    clusterOf: ({ armId }) => [...config.current().clusters.values()].find(({ arm }) => sameArmId(arm.id, armId)),
    outcomesOf: (orphans) => {
      // A clock that was set back since then must not hide what was told after it.
      const since = Math.min(clock.now(), ...orphans.map(({ submittedAt }) => submittedAt));
      return outcomesOf(streams, new Set(orphans.map(({ id }) => id)), since);
    },
    onError: messages.report,
  });
};
