import { Problem, type ProblemCode } from '../errors.ts';
import type { Answer, Refusal } from './arm-answers.ts';
import type { Submitted } from './relay.ts';

/**
 * Every error that run command is known to give, with what it means: was anything started, and what
 * can be done. The first row that matches holds. An answer that no row knows counts as "may have been started", a 4xx too: by
 * ARM's contract it is a refusal, but run command's own resource provider is known to break it after the pod was made (R8, "did not
 * start within 30s"), and "nothing ran" said about a change that ran would have it sent twice (assumption `refused-means-not-started`).
 */
interface Row {
  readonly id: string;
  /** What has to match, all of it. `text` is looked for in Azure's message. */
  readonly match: {
    readonly status?: readonly number[];
    readonly code?: RegExp;
    readonly text?: RegExp;
    /** Azure Resource Manager's own word: the resource provider was not reached. */
    readonly byArm?: true;
  };
  readonly meaning:
    /** `{policy}` in the words stands for what `text` names. */
    | { readonly started: 'no'; readonly problem: ProblemCode; readonly words: string }
    /** To be sent again after Retry-After: Azure says that it did not take it. */
    | { readonly started: 'throttled'; readonly words: string }
    /** `code` in place of Azure's, where ours says more. */
    | { readonly started: 'unknown'; readonly words: string; readonly code?: string };
}

const no = (problem: ProblemCode, words: string): Row['meaning'] => ({ started: 'no', problem, words });
const unknown = (words: string) => ({ started: 'unknown', words }) as const;

/**
 * The pod refused by the cluster's API server, so that nothing ran: only by the exact words. Azure's are recorded, with a webhook's behind
 * them (Azure/aks-baseline-automation#37); what other admission plugins say is in Kubernetes' source (plugin/pkg/admission,
 * pod-security-admission, apiserver's policy/validating, rbac).
 */
const REFUSED_POD = '^Failed to run command in managed cluster due to kubernetes failure\\. details: ';
const POD = 'pods "command-[0-9a-f]{32}" is forbidden: ';
const refusedPod = (id: string, text: string, words: string): Row => ({
  id,
  match: { text: new RegExp(REFUSED_POD + text) },
  meaning: no('azure-refused', `${words} Nothing ran.`),
});

const refusedPods: readonly Row[] = [
  refusedPod(
    'policy-gatekeeper',
    'admission webhook "[\\w.-]{1,200}" denied the request: \\[(?<policy>[\\w.-]{1,200})\\]',
    'The policy {policy} of the cluster forbids the pod that would run the command. The operator has to exempt the namespace aks-command from it, and the image mcr.microsoft.com/aks/command/runtime where it is about images.',
  ),
  refusedPod(
    'admission-webhook',
    'admission webhook "(?<policy>[\\w.-]{1,200})" denied the request',
    'The admission webhook {policy} of the cluster forbids the pod that would run the command. The operator has to exempt the namespace aks-command from it.',
  ),
  refusedPod(
    'admission-policy',
    `${POD}ValidatingAdmissionPolicy '(?<policy>[\\w.-]{1,200})' with binding '[\\w.-]{1,200}' denied request: `,
    'The ValidatingAdmissionPolicy {policy} of the cluster forbids the pod that would run the command. The operator has to exempt the namespace aks-command from it.',
  ),
  refusedPod(
    'quota',
    `${POD}(?:exceeded|failed) quota: (?<policy>[\\w.-]{1,200})[,:]`,
    'The resource quota {policy} in the namespace aks-command leaves no room for the pod that would run the command (200m CPU and 500 MiB, up to 500m and 1 GiB). The operator has to raise or remove it, or wait until other commands have ended.',
  ),
  refusedPod(
    'pod-security',
    `${POD}violates PodSecurity "(?<policy>[\\w.:-]{1,100})": `,
    'The pod security level {policy} of the namespace aks-command forbids the pod that would run the command. The operator has to lower the label pod-security.kubernetes.io/enforce of that namespace, or the default of the cluster for it.',
  ),
  refusedPod(
    'rbac',
    'pods is forbidden: User "[^"]{1,300}" cannot create resource "(?<policy>pods)" in API group "" in the namespace "aks-command"',
    'Kubernetes RBAC does not let the one in whose name the command would run create {policy} in the namespace aks-command. The operator has to grant it.',
  ),
];

/** Answers to the POST. */
export const postRows: readonly Row[] = [
  {
    id: 'throttled',
    match: { status: [429] },
    meaning: { started: 'throttled', words: 'Azure is throttling this subscription; the command was not taken.' },
  },
  {
    id: 'entra-token-missing',
    match: { code: /^MissingAADClusterToken$/ },
    meaning: no(
      'azure-refused',
      'The cluster has Entra integration and wants a token, and none was sent. Nothing ran; send the request again in a minute, when the gateway has read the cluster afresh.',
    ),
  },
  {
    id: 'entra-token-refused',
    match: { code: /^InvalidAADClusterToken$/ },
    meaning: no(
      'azure-refused',
      'The cluster did not accept the Entra token that it was sent (audience or tenant). Nothing ran; the operator has to check the tenant of the cluster and of the gateway.',
    ),
  },
  ...refusedPods,
  {
    id: 'did-not-start-in-time',
    match: { text: /did not start within \d+ ?s/i },
    meaning: unknown(
      'The pod did not start within the time that Azure waits; it may still start. Look at the cluster before sending a change again. If this happens often, the nodes are short of room or slow to pull images.',
    ),
  },
  {
    id: 'kubernetes-error',
    match: { code: /^Kubernetes(Performance|Operation)Error$/ },
    meaning: unknown(
      "The cluster's API server failed while the pod was being made; it may still start. Look at the cluster before sending a change again.",
    ),
  },
  {
    id: 'not-provisioned',
    match: { text: /being deleted or hasn't been fully provisioned/i },
    meaning: no('cluster-unavailable', 'The cluster is being deleted or is not yet fully provisioned. Nothing ran.'),
  },
  // The provider's own checks, in words that nobody has recorded: of a failure on its side they say nothing.
  {
    id: 'disabled',
    match: { status: [400, 403, 404, 409, 412], text: /run ?command.{0,40}(disabled|not enabled)|disableRunCommand/i },
    meaning: no(
      'cluster-unavailable',
      'Run command is disabled on this cluster (apiServerAccessProfile.disableRunCommand). Nothing ran; the operator of the cluster can enable it.',
    ),
  },
  {
    id: 'stopped',
    match: { status: [400, 403, 404, 409, 412], text: /cluster.{0,60}\bstopped\b|power ?state/i },
    meaning: no('cluster-unavailable', 'The cluster is stopped. Nothing ran; start it and send the request again.'),
  },
  {
    id: 'not-supported',
    match: { code: /^NotSupportedSetup$/ },
    meaning: no('azure-refused', 'Azure does not support run command on a cluster set up like this one. Nothing ran.'),
  },
  {
    id: 'unauthenticated',
    match: { status: [401] },
    meaning: no(
      'azure-refused',
      "Azure did not accept the gateway's own token. Nothing ran; the operator has to check the gateway's credential and tenant.",
    ),
  },
  {
    id: 'unauthorised',
    match: { status: [403] },
    meaning: no(
      'azure-refused',
      'The gateway may not run commands on this cluster. Nothing ran; it needs Microsoft.ContainerService/managedClusters/runcommand/action and …/commandResults/read there, and no policy against it.',
    ),
  },
  {
    id: 'no-such-cluster',
    match: {
      status: [404],
      code: /^(ResourceNotFound|ResourceGroupNotFound|SubscriptionNotFound|InvalidSubscriptionId|ParentResourceNotFound)$/,
    },
    meaning: no(
      'azure-refused',
      'Azure knows no cluster with the ARM id that the gateway is configured with. Nothing ran; the operator has to correct the configuration.',
    ),
  },
  {
    id: 'not-passed-on',
    // Not 408: that one would mean a wait for the provider.
    match: { status: [400, 404, 405, 406, 409, 410, 411, 412, 414, 415, 422, 431], byArm: true },
    meaning: no('azure-refused', 'Azure Resource Manager refused the request before it came to AKS. Nothing ran.'),
  },
  {
    // Each command reads its cluster first, so that it is not the cluster that is missing.
    id: 'unschedulable',
    match: { status: [404], code: /^NotFound$/ },
    meaning: {
      ...unknown(
        'Azure answers "Not Found" for a cluster that it has just shown, which stands for a pod that could not be scheduled (no room for 200m CPU and 500 MiB, cordoned nodes, taints). It may still start: look at the namespace aks-command before sending a change again.',
      ),
      code: 'unschedulable',
    },
  },
  {
    id: 'not-found',
    match: { status: [404] },
    meaning: unknown(
      'Azure says that something is not there, without a word that the gateway knows. The command may still start: look at the cluster before sending a change again.',
    ),
  },
  {
    id: 'too-large',
    match: { status: [413] },
    meaning: no(
      'payload-too-large',
      'The command with its files is larger than Azure takes. Nothing ran; send fewer or smaller files.',
    ),
  },
  {
    id: 'invalid-request',
    match: {
      status: [400, 404, 405, 409, 415],
      code: /^(InvalidRequest\w*|InvalidApiVersion\w*|NoRegisteredProviderFound|InvalidResource(Type|Name|Group)\w*|MissingSubscriptionRegistration|ScopeLocked|RequestDisallowedByPolicy|HttpMethodNotSupported)$/,
    },
    meaning: no('azure-refused', 'Azure Resource Manager did not take the request. Nothing ran.'),
  },
  {
    id: 'not-understood',
    // These are said of the request's form, before anything is done (RFC 9110, 15.5; RFC 6585).
    match: { status: [405, 406, 411, 414, 415, 417, 421, 426, 431] },
    meaning: no('azure-refused', 'Azure did not understand the form of the request. Nothing ran.'),
  },
  {
    id: 'operation-in-progress',
    match: { status: [409], code: /^(OperationNotAllowed|AnotherOperationInProgress|Conflict|OperationPreempted)$/ },
    meaning: no(
      'cluster-unavailable',
      'Another operation on the cluster stands in the way. Nothing ran; send the request again later.',
    ),
  },
  {
    id: 'server-error',
    match: { status: [500, 502, 503, 504, 408] },
    meaning: unknown(
      'Azure failed in the middle: the command may or may not have been started, and the gateway does not send it again. Look at the cluster before sending a change again.',
    ),
  },
];

/** How much of Azure's message is looked at: its expressions are linear up to a factor, the longest gap that they allow. */
const LONGEST_MESSAGE = 4_096;

const matches = ({ status, code, text, byArm }: Row['match'], refusal: Refusal): boolean =>
  (byArm === undefined || refusal.byArm === true) &&
  (status === undefined || status.includes(refusal.status)) &&
  (code === undefined || code.test(refusal.code)) &&
  (text === undefined || text.test(refusal.message.slice(0, LONGEST_MESSAGE)));

/** What an answer to the POST means; `undefined` when no row knows it. */
export const findRow = (refusal: Refusal): Row | undefined => postRows.find((row) => matches(row.match, refusal));

/** What the message names as the policy that refused the pod. */
function policyIn(refusal: Refusal): string {
  const { text } = findRow(refusal)?.match ?? {};
  return text?.exec(refusal.message.slice(0, LONGEST_MESSAGE))?.groups?.['policy'] ?? '';
}

const LOST =
  'The answer of Azure was lost: the command may or may not have been started, and the gateway does not send it again. Look at the cluster before sending a change again.';
const UNKNOWN =
  'Azure gave an error that the gateway does not know: the command may or may not have been started. Look at the cluster before sending a change again.';

/** A POST that was not accepted, as the relay tells it. `throttled` means that it may go out again. */
export function explainPost(
  answer: Exclude<Answer<unknown>, { kind: 'answer' }>,
): Submitted | { readonly kind: 'throttled' } {
  if (answer.kind === 'unreached')
    return {
      kind: 'not-started',
      problem: new Problem('azure-unreachable', `${answer.message} Nothing ran.`, {
        members: { azure: { code: answer.code } },
      }),
    };
  if (answer.kind === 'lost') return { kind: 'lost', code: answer.code, message: `${LOST} (${answer.message})` };
  const meaning: Row['meaning'] = findRow(answer)?.meaning ?? unknown(UNKNOWN);
  if (meaning.started === 'throttled') return { kind: 'throttled' };
  if (meaning.started === 'unknown')
    return { kind: 'lost', code: meaning.code ?? answer.code, message: withAzure(meaning.words, answer) };
  const words = meaning.words.replace('{policy}', () => policyIn(answer));
  const problem = new Problem(meaning.problem, withAzure(words, answer), azureMembers(answer));
  return { kind: 'not-started', problem };
}

/** Azure's own code and words after ours: operators search for them. */
export const withAzure = (words: string, { status, code, message }: Refusal): string =>
  `${words} Azure: ${status} ${code}${message === '' ? '' : `: ${message}`}`;

export const azureMembers = ({ status, code, message }: Refusal) => ({ members: { azure: { status, code, message } } });
