import type { CommandFacts, RequestFacts } from '../audit/events.ts';
import { interpret } from '../command/interpret.ts';
import type { Invocation, SentCommand } from '../command/invocation.ts';
import { quoteWords } from '../command/quote.ts';
import { readTypedLine } from '../command/typed-line.ts';
import type { Cluster, Config } from '../config/config.ts';
import { Problem } from '../errors.ts';
import { redactText } from '../lib/redact.ts';
import { maySee } from '../policy/decide.ts';
import type { Allowed, Decision } from '../policy/decision.ts';
import { judge } from '../policy/judge.ts';
import type { Principal } from '../identity/principal.ts';
import { countedMemberships, type Policy } from '../policy/policy.ts';
import { admitCaller } from './admit-caller.ts';
import type { GatewayContext, InForce } from './context.ts';
import { decideOnWebhook } from './decide-on-webhook.ts';
import { refuseCommand, refusing } from './deny.ts';
import { discoveredOf } from './discovered.ts';
import { refuseFrozen } from './refuse-frozen.ts';
import { askerOf, ownerKey, type AuthenticatedRequest, type RequestedCommand } from './request.ts';

/** A command that is understood and decided; what is sent comes from here and from nowhere else. */
export interface DecidedCommand {
  readonly cluster: Cluster;
  readonly invocation: Invocation;
  readonly decision: Decision;
  /** What goes out if it may: the invocation's words, with the caller's name where the cluster impersonates. */
  readonly sent: SentCommand;
  readonly config: Config;
  readonly policy: Policy;
  readonly facts: RequestFacts & CommandFacts;
}

/**
 * What exactly is asked, and may the caller do it: everything before anything is done. Throws Problem `policy-denied` (blocked),
 * `cluster-not-found`, `request-invalid` or `command-refused`. A denial by policy is returned as the decision. Once `signal` aborts, a
 * large text that waits for its turn is not read.
 */
export async function decideCommand(
  context: GatewayContext,
  request: AuthenticatedRequest,
  requested: RequestedCommand,
  signal?: AbortSignal,
): Promise<DecidedCommand> {
  const { config, policy } = await admitCaller(context, request);
  const asker = askerOf(request);
  const { principal, requester } = asker;
  const asked = factsOf(request, requested);
  const cluster = await findCluster(context, { config, policy }, request, requested, asked);
  const where = { ...asked, cluster: { name: cluster.name, armId: cluster.arm.id, runAs: cluster.runAs } };
  const understood = await understand(context, config, request, requested, cluster, where, signal);
  const { reason } = requested;
  const judged = context.inRoom('policy', () => judge(policy, understood, { ...asker, cluster, reason }));
  const { invocation, sent } = judged;
  const decision =
    judged.decision.verdict === 'allow' ? decideNotify(policy, request, requested, judged.decision) : judged.decision;
  const { asked: argv, attributes } = invocation;
  const counted = (one: Principal) => countedMemberships(policy.clusters.get(cluster.name), one);
  const memberships = counted(principal);
  const requesterMemberships = requester && counted(requester);
  const text = quoteWords(sent.words);
  const decisive = { attributes, memberships, requesterMemberships };
  const facts = { ...where, argv, ...decisive, text, files: sent.files, stdin: sent.stdin };
  if (decision.verdict === 'allow') await findWebhook(context, config, requested, facts);
  if (decision.verdict === 'allow') await refuseFrozen(context.trail, cluster, invocation, facts);
  return { cluster, invocation, decision, sent, config, policy, facts };
}

/** A command may tell its end to a webhook only where its caller may. A job's own is the operator's choice. */
function decideNotify(
  policy: Policy,
  request: AuthenticatedRequest,
  { notify, job, cluster, reason }: RequestedCommand,
  allowed: Allowed,
): Decision {
  if (!notify || job) return allowed;
  const decision = decideOnWebhook(policy, { asker: askerOf(request), name: notify.webhook, cluster, reason });
  return decision.verdict === 'allow' ? allowed : decision;
}

/** After the decision, so that nobody learns which webhooks there are. */
async function findWebhook(
  { trail }: GatewayContext,
  config: Config,
  { notify }: RequestedCommand,
  facts: RequestFacts & CommandFacts,
): Promise<void> {
  if (!notify || config.webhooks.has(notify.webhook)) return;
  const detail = `notify: no webhook is called ${JSON.stringify(redactText(notify.webhook.slice(0, 100)))}.`;
  await refuseCommand(trail, facts, new Problem('request-invalid', detail));
}

function factsOf({ facts }: AuthenticatedRequest, { command, reason }: RequestedCommand): RequestFacts & CommandFacts {
  return { ...facts, argv: typeof command === 'string' ? [command] : command, reason };
}

/** A cluster that the caller may not see is one that does not exist. */
async function findCluster(
  { trail }: GatewayContext,
  { config, policy }: InForce,
  request: AuthenticatedRequest,
  { cluster: name }: RequestedCommand,
  facts: RequestFacts & CommandFacts,
): Promise<Cluster> {
  const cluster = config.clusters.get(name);
  const { principal, requester } = askerOf(request);
  if (cluster && maySee(policy, principal, name) && (!requester || maySee(policy, requester, name))) return cluster;
  const shown = JSON.stringify(redactText(name.slice(0, 100)));
  return refuseCommand(
    trail,
    facts,
    new Problem('cluster-not-found', `There is no cluster ${shown} that you may use.`),
  );
}

async function understand(
  context: GatewayContext,
  config: Config,
  request: AuthenticatedRequest,
  requested: RequestedCommand,
  cluster: Cluster,
  facts: RequestFacts & CommandFacts,
  signal: AbortSignal | undefined,
): Promise<Invocation> {
  const { trail, relay, inRoom, largeTexts } = context;
  const timeouts = config.limits.timeoutSeconds;
  const discovered = await discoveredOf(context, cluster);
  const known = discovered ? { ...cluster, discovered } : cluster;
  const read = (): Invocation => {
    const { command, fromSlack, timeoutSeconds = timeouts.default } = requested;
    const typed =
      typeof command === 'string' ? readTypedLine(command, { slack: fromSlack }) : { argv: command, warnings: [] };
    if (timeoutSeconds <= timeouts.max) {
      const invocation = interpret({ ...requested, argv: typed.argv, timeoutSeconds }, known, relay.toolsOf(cluster));
      return { ...invocation, warnings: [...typed.warnings, ...invocation.warnings] };
    }
    throw new Problem('request-invalid', `timeoutSeconds may be at most ${timeouts.max} here.`);
  };
  return refusing(trail, facts, () =>
    largeTexts.inTurn(ownerKey(request), lengthOf(requested), () => inRoom('command', read), signal),
  );
}

/** Of all that is read to understand it; characters and bytes alike. */
const lengthOf = ({ command, files, stdin = '' }: RequestedCommand): number =>
  files.reduce((sum, { bytes }) => sum + bytes.byteLength, stdin.length) +
  (typeof command === 'string' ? command.length : command.reduce((sum, word) => sum + word.length, 0));
