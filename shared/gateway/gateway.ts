import type { Admission } from '../admission/admission.ts';
import type { Idempotency, Keyed } from '../admission/idempotency.ts';
import type { CommandFacts, RequestFacts } from '../audit/events.ts';
import type { AuditTrail } from '../audit/trail.ts';
import type { Clock, Entropy } from '../clock.ts';
import { describeAttributes } from '../kubernetes/attributes.ts';
import { impersonating } from '../command/impersonate.ts';
import { interpret } from '../command/interpret.ts';
import type { CommandRequest, Invocation, SentCommand } from '../command/invocation.ts';
import { quoteWords } from '../command/quote.ts';
import { splitWords } from '../command/words.ts';
import type { Cluster, ConfigSource } from '../config/config.ts';
import { Problem } from '../errors.ts';
import { principalKey } from '../identity/principal.ts';
import type { Drive, Lifecycle } from './lifecycle/lifecycle.ts';
import { maySee } from '../policy/decide.ts';
import type { Allowed, Decision, Denied } from '../policy/decision.ts';
import { judge } from '../policy/judge.ts';
import { isBlocked, type Policy } from '../policy/policy.ts';
import { redactText } from '../lib/redact.ts';
import type { Caller, Relay } from '../relay/relay.ts';
import { StorageUnavailable } from '../store/append-log.ts';
import type { CommandRecord } from '../store/records.ts';

/** Who calls, as identity vouches, and what the audit trail is to know of the call. */
export interface Call {
  readonly caller: Caller;
  readonly facts: RequestFacts;
}

/** What a caller wants done, and where. */
export interface CommandOrder extends Omit<CommandRequest, 'argv'> {
  /** Words, or a text that is to be split into words. */
  readonly command: readonly string[] | string;
  readonly cluster: string;
  readonly reason?: string | undefined;
  readonly requestedBy?: string | undefined;
  readonly timeoutSeconds?: number | undefined;
  /** With the body as it came: a key stands for exactly that request. */
  readonly idempotency?: { readonly key: string; readonly body: unknown } | undefined;
}

/** A command that was understood and judged; what is sent comes from it and from nothing else. */
export interface Judged {
  readonly cluster: Cluster;
  readonly invocation: Invocation;
  readonly decision: Decision;
  /** What goes out if it goes out: the invocation's own words, with the caller's name where the cluster impersonates. */
  readonly sent: SentCommand;
  readonly policy: Policy;
  readonly facts: RequestFacts & CommandFacts;
}

/** What a caller gets back at once: the record so far, and its drive when this process has it. */
export interface Started {
  readonly record: CommandRecord;
  readonly drive: Drive | undefined;
  /** Milliseconds that Azure took before the command could be begun: the cluster's state, the caller's token for it. */
  readonly azureMs: number;
}

export interface GatewayOptions {
  readonly config: ConfigSource;
  readonly policy: () => Policy;
  readonly trail: AuditTrail;
  readonly relay: Relay;
  readonly admission: Admission;
  readonly idempotency: Idempotency;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** What goes wrong when nobody waits any more. */
  readonly onError: (error: unknown) => void;
}

export type Gateway = ReturnType<typeof createGateway>;

/** The corridor: every door (HTTP, timers, jobs) calls it, and nothing else starts a command. */
export function createGateway(options: GatewayOptions) {
  const { config, trail, relay, admission, idempotency, lifecycle, clock, entropy } = options;

  /** A caller on the deny list gets nowhere: no command, replay or read. Throws Problem `policy-denied`. */
  async function admit(call: Call): Promise<Policy> {
    const policy = options.policy();
    if (isBlocked(policy, call.caller.principal)) {
      const problem = new Problem('policy-denied', 'This principal is blocked.', { members: { reason: 'blocked' } });
      await trail.record({ ...call.facts, event: 'principal.denied', detail: problem.message });
      throw problem;
    }
    return policy;
  }

  /**
   * Who, what, may they: everything before anything is done. Throws Problem `policy-denied` (blocked), `cluster-not-found` or
   * `command-refused`, each in the audit trail by then. A denial comes back as the decision.
   */
  async function decide(call: Call, order: CommandOrder): Promise<Judged> {
    const policy = await admit(call);
    const { principal } = call.caller;
    const { command } = order;
    const asked = { ...call.facts, argv: typeof command === 'string' ? [command] : command, reason: order.reason };
    const cluster = config.current().clusters.get(order.cluster);
    if (!cluster || !maySee(policy, principal, order.cluster)) {
      const problem = new Problem(
        'cluster-not-found',
        `There is no cluster ${JSON.stringify(redactText(order.cluster.slice(0, 100)))} that you may use.`,
      );
      throw await refused(asked, problem);
    }
    const where = { ...asked, cluster: { name: cluster.name, armId: cluster.arm.id, runAs: cluster.runAs } };
    const asker = { principal, cluster: cluster.name, reason: order.reason };
    const { invocation, decision } = judge(policy, await understood(order, cluster, where), asker);
    const { argv, attributes } = invocation;
    const sent =
      cluster.impersonate && decision.verdict === 'allow'
        ? impersonating(invocation.sent, principal, decision.roles)
        : invocation.sent;
    const facts = { ...where, argv, attributes, text: quoteWords(sent.words), files: sent.files, stdin: sent.stdin };
    return { cluster, invocation, decision, sent, policy, facts };
  }

  /** Starts a command, or finds the one that an idempotency key stands for. Throws Problem: then nothing was started. */
  async function run(call: Call, order: CommandOrder, signal?: AbortSignal): Promise<Started> {
    const { principal } = call.caller;
    await limited(call.facts, () => admission.limitRate(principal));
    const judged = await decide(call, order);
    const { cluster, decision, sent, facts, policy } = judged;
    if (decision.verdict === 'deny') throw await denied(judged, decision);

    const record = newRecord(call, order, judged, decision);
    const key = await refusing(facts, () => claim(record, order, signal));
    if (key?.kind === 'replay') {
      await trail.record({ ...facts, event: 'command.replayed', commandId: key.record.id });
      return { record: key.record, drive: lifecycle.driving(key.record.id), azureMs: 0 };
    }
    try {
      const asked = clock.monotonic();
      const authority = await refusing(facts, async () => {
        await relay.preflight(cluster, signal);
        return relay.authorise(cluster, call.caller, signal);
      });
      const azureMs = clock.monotonic() - asked;
      const place = await limited(facts, () => admission.join(principal, cluster.name));
      const turn = async (): Promise<void> => {
        if (key && !(await key.confirm())) throw new Problem('gateway-busy', KEY_TAKEN, { retryAfter: 1 });
        await place.granted;
      };
      const drive = lifecycle.begin({ record, cluster, authority, sent, facts, policyDigest: policy.digest, turn });
      const leave = drive.finished.then(place.leave, async () => {
        place.leave();
        await key?.release(); // nothing was started: the key is free again
      });
      leave.catch(options.onError);
      return { record, drive, azureMs };
    } catch (error) {
      await key?.release();
      throw error;
    }
  }

  async function claim(record: CommandRecord, order: CommandOrder, signal?: AbortSignal): Promise<Keyed | undefined> {
    if (!order.idempotency) return undefined;
    const { owner, cluster, id: commandId } = record;
    return idempotency.claim({ owner, cluster, ...order.idempotency, commandId }, signal);
  }

  /** The same judgement as for run, recorded as asked only; nothing is started. */
  async function explain(call: Call, order: CommandOrder): Promise<Judged> {
    await limited(call.facts, () => admission.limitRate(call.caller.principal));
    const judged = await decide(call, order);
    const { decision, policy, facts } = judged;
    await trail.record({
      ...facts,
      event: 'command.explained',
      decision: decision.verdict,
      rule: ruleText(decision),
      policyDigest: policy.digest,
    });
    return judged;
  }

  async function understood(
    order: CommandOrder,
    cluster: Cluster,
    facts: RequestFacts & CommandFacts,
  ): Promise<Invocation> {
    const timeouts = config.current().limits.timeoutSeconds;
    return refusing(facts, () => {
      const { command, timeoutSeconds = timeouts.default } = order;
      const argv = typeof command === 'string' ? splitWords(command) : command;
      if (timeoutSeconds <= timeouts.max) return interpret({ ...order, argv, timeoutSeconds }, cluster);
      throw new Problem('request-invalid', `timeoutSeconds is at most ${timeouts.max} here.`);
    });
  }

  function newRecord(
    call: Call,
    order: CommandOrder,
    { cluster, invocation }: Judged,
    { role, rule }: Allowed,
  ): CommandRecord {
    const { kind, tid, oid } = call.caller.principal;
    return {
      id: entropy.uuid(),
      version: 1,
      cluster: cluster.name,
      armId: cluster.arm.id,
      owner: principalKey(call.caller.principal),
      principal: { kind, tid, oid },
      argv: invocation.argv,
      reason: order.reason && redactText(order.reason),
      requestedBy: order.requestedBy && redactText(order.requestedBy),
      decision: { role, rule },
      status: 'accepted',
      submittedAt: clock.now(),
      timeoutSeconds: order.timeoutSeconds ?? config.current().limits.timeoutSeconds.default,
      nonce: Buffer.from(entropy.bytes(16)).toString('hex'),
      lease: { holder: '', until: 0 },
      timedOut: false,
      truncated: false,
      streams: 'separate',
      warnings: invocation.warnings,
      outputPurged: false,
    };
  }

  /** A step whose failure is in the trail before the caller has it: a refusal, a hang-up, a store that is away. */
  async function refusing<T>(facts: RequestFacts & CommandFacts, step: () => T | Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      const problem = foreseen(error);
      throw problem ? await refused(facts, problem) : error;
    }
  }

  async function refused(facts: RequestFacts & CommandFacts, problem: Problem): Promise<Problem> {
    await trail.record({ ...facts, event: 'command.refused', problem: problem.code, detail: problem.message });
    return problem;
  }

  async function denied({ facts, policy }: Judged, decision: Denied): Promise<Problem> {
    const rule = ruleText(decision);
    await trail.record({
      ...facts,
      event: 'command.denied',
      decision: 'deny',
      rule,
      policyDigest: policy.digest,
      detail: decision.explanation,
    });
    return new Problem('policy-denied', decision.explanation, {
      members: {
        reason: decision.reason,
        role: decision.rule?.role ?? null,
        rule: decision.rule?.rule ?? null,
        ...(decision.attributes && {
          asked: describeAttributes(decision.attributes),
          attributes: [decision.attributes],
        }),
      },
    });
  }

  /** What admission turns away is in the trail as well. */
  async function limited<T>(facts: RequestFacts, step: () => T | Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      if (error instanceof Problem) await trail.record({ ...facts, event: 'rate-limited', detail: error.message });
      throw error;
    }
  }

  return { admit, decide, run, explain };
}

function foreseen(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  if (error instanceof StorageUnavailable) {
    return new Problem('gateway-busy', 'The store of command records does not answer.', {
      retryAfter: 5,
      cause: error,
    });
  }
  if (error instanceof DOMException && error.name === 'AbortError') {
    return new Problem('request-invalid', 'The caller hung up before anything was started.', { cause: error });
  }
  return undefined;
}

const KEY_TAKEN = 'Another request with this Idempotency-Key came first.';

const ruleText = (decision: Decision): string | undefined => {
  const rule = decision.verdict === 'allow' ? decision : decision.rule;
  return rule && `${rule.role}/${rule.rule}`;
};
