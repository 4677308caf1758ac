import { compileGlob } from '../config/glob.ts';
import { ruleName } from '../config/rule-reference.ts';
import type { Answer } from '../command/invocation.ts';
import { noPods } from '../command/pod-security/findings.ts';
import { Problem } from '../errors.ts';
import { decideForBoth } from '../policy/decide-both.ts';
import { decide } from '../policy/decide.ts';
import { frozenFor } from '../policy/frozen.ts';
import { boundRoles } from '../policy/policy.ts';
import type { FirstRequest } from '../admission/idempotency.ts';
import type { AcceptedRecord, CompletedRecord } from '../store/records.ts';
import type { GatewayContext } from './context.ts';
import type { AllowedCommand } from './decide-again.ts';
import { listAccess } from './who-am-i.ts';
import { askerOf, type AuthenticatedRequest } from './request.ts';

interface Answered {
  readonly stdout: string;
  readonly stderr?: string;
  readonly exitCode?: number;
}

/**
 * A question that is about the gateway: `auth can-i`, `auth whoami`, `--help`. It is answered from what is in force now, and nothing is sent.
 * The trail has it as what it is, somebody asking what policy would say, before the answer is given out.
 */
export async function answerCommand(
  context: GatewayContext,
  request: AuthenticatedRequest,
  decided: AllowedCommand & { readonly invocation: { readonly answer: Answer } },
  record: AcceptedRecord,
  key: FirstRequest | undefined,
): Promise<CompletedRecord> {
  const { trail, records, clock, results } = context;
  const { stdout, stderr = '', exitCode = 0 } = await answer(context, request, decided);
  const { facts, decision, policy } = decided;
  const entry = await trail.record({
    ...facts,
    event: 'command.explained',
    decision: 'allow',
    rule: ruleName(decision.rule),
    policyDigest: policy.digest,
  });
  const receipt = await entry.receipt();
  if (key && !(await key.confirm()))
    throw new Problem('gateway-busy', 'Another request with this Idempotency-Key came first.', { retryAfter: 1 });
  const output = { stdout: Buffer.from(stdout), stderr: Buffer.from(stderr) };
  const { counted } = await results.take(record.owner, output.stdout.byteLength + output.stderr.byteLength);
  const now = clock.now();
  const completed: CompletedRecord = {
    ...record,
    status: 'completed',
    receipt,
    exitCode,
    timedOut: false,
    truncated: false,
    streams: 'separate',
    outputBytes: { stdout: output.stdout.byteLength, stderr: output.stderr.byteLength },
    startedAt: now,
    finishedAt: now,
    warnings: [...record.warnings, BY_THE_GATEWAY],
  };
  await records.create(completed);
  await records.putOutput(record.id, output);
  await counted;
  return completed;
}

const BY_THE_GATEWAY = 'The gateway answered this itself; nothing was sent to the cluster.';

function answer(
  context: GatewayContext,
  request: AuthenticatedRequest,
  decided: Parameters<typeof answerCommand>[2],
): Answered | Promise<Answered> {
  const { answer: question } = decided.invocation;
  switch (question.kind) {
    case 'text':
      return { stdout: question.stdout };
    case 'can-i':
      return canI(request, decided, question);
    case 'can-i-list':
      return listRules(context, request, decided, question);
    case 'whoami':
      return whoAmI(request, decided, question);
  }
}

/** `yes` or `no`, and the exit code, as kubectl has them (pkg/cmd/auth, RunAccessCheck). */
function canI(
  request: AuthenticatedRequest,
  { cluster, policy }: AllowedCommand,
  { asked, quiet }: Extract<Answer, { kind: 'can-i' }>,
): Answered {
  const ask = (reason: string | undefined) =>
    decideForBoth(askerOf(request), (principal, parties) =>
      decide(policy, {
        principal,
        ...parties,
        cluster: cluster.name,
        attributes: asked,
        podSecurity: noPods,
        charts: [],
        reason,
      }),
    );
  const plain = ask(undefined);
  const decision = plain.verdict === 'deny' && plain.reason === 'reason-required' ? ask('x') : plain;
  const frozen = decision.verdict === 'allow' ? frozenFor(cluster, asked) : undefined;
  if (frozen !== undefined) return { stdout: quiet ? '' : `no - ${frozen}\n`, exitCode: 1 };
  const allowed = decision.verdict === 'allow';
  const why = allowed ? (decision === plain ? '' : ' - with a reason') : ` - ${decision.explanation}`;
  return {
    stdout: quiet ? '' : `${allowed ? 'yes' : 'no'}${why}\n`,
    stderr: again(cluster),
    exitCode: allowed ? 0 : 1,
  };
}

/** Where Kubernetes decides too, a yes is not the last word. */
const again = ({ impersonate, runAs }: AllowedCommand['cluster']): string =>
  impersonate || runAs === 'caller' ? 'Kubernetes decides again on this cluster.\n' : '';

/** The rules that hold in a namespace, in kubectl's columns; what a deny takes away stands below, for kubectl knows none. */
async function listRules(
  context: GatewayContext,
  request: AuthenticatedRequest,
  { cluster }: AllowedCommand,
  { namespace, headers }: Extract<Answer, { kind: 'can-i-list' }>,
): Promise<Answered> {
  const { rules, warnings } = await listAccess(context, request, cluster.name);
  const here = rules.filter(({ says }) => says.nonResourceURLs !== undefined || holdsIn(says.namespaces, namespace));
  const rows = here.map(({ binds, effect, role, says }) => ({
    effect,
    cells: [
      `${(says.resources ?? (says.nonResourceURLs ? [] : ['*'])).join(',')}${says.except ? ` but ${says.except.join(',')}` : ''}`,
      `[${(says.nonResourceURLs ?? []).join(' ')}]`,
      `[${(says.names ?? []).join(' ')}]`,
      `[${(says.verbs ?? ['*']).join(' ')}]`,
      binds ? `${role} (${binds})` : role,
    ],
  }));
  const of = (which: 'allow' | 'deny') => rows.filter(({ effect }) => effect === which).map(({ cells }) => cells);
  const titles = headers ? [['Resources', 'Non-Resource URLs', 'Resource Names', 'Verbs', 'Role']] : [];
  const denied = of('deny');
  const taken = denied.length === 0 ? '' : `Denied, whatever else allows it:\n${table(denied)}`;
  return {
    stdout: table([...titles, ...of('allow')]),
    stderr: `${taken}${warnings.map((line) => `${line}\n`).join('')}`,
  };
}

const holdsIn = (namespaces: readonly string[] = ['*'], namespace: string): boolean =>
  namespaces.some((text) => text === '*' || compileGlob(text).matches(namespace));

/** In whose name commands run there, as far as the gateway says it. */
function whoAmI(
  request: AuthenticatedRequest,
  { cluster, policy }: AllowedCommand,
  { output }: Extract<Answer, { kind: 'whoami' }>,
): Answered {
  const { principal } = request.requester ?? request.caller;
  const { tid, oid } = principal;
  const bound = policy.clusters.get(cluster.name);
  const names = bound ? boundRoles(bound, principal).map(({ name }) => `aksgw:${name}`) : [];
  const groups = [...new Set(names)];
  const username = `aksgw:${tid}:${oid}`;
  const review = {
    kind: 'SelfSubjectReview',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { creationTimestamp: null },
    status: { userInfo: { username, groups } },
  };
  if (output === 'json') return { stdout: `${JSON.stringify(review, undefined, 4)}\n` };
  return {
    stdout: table([
      ['ATTRIBUTE', 'VALUE'],
      ['Username', username],
      ['Groups', `[${groups.join(' ')}]`],
    ]),
  };
}

/** Columns three spaces apart, as kubectl prints them. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('   ')
      .trimEnd();
  return rows.map((row) => `${line(row)}\n`).join('');
}
