import * as Type from 'typebox';
import type { Static, TSchema } from 'typebox';
import { problems, type ProblemCode } from '../errors.ts';
import { sampleBatch, sampleCommands, sampleProblem, sampleRecord } from './samples.ts';

/**
 * What goes over the wire, once: validation, types and OpenAPI come from here; a schema with a title is a component there, a type in
 * generated clients. No logic, so that the client may import it.
 */
const closed = { additionalProperties: false } as const;
const Text = (maxLength: number, description: string) => Type.String({ maxLength, description });

const FileBody = Type.Object(
  {
    path: Type.String({ minLength: 1, maxLength: 1024, description: 'Relative, forward slashes.' }),
    content: Type.Optional(Type.String({ description: 'Text; sent as UTF-8.' })),
    contentBase64: Type.Optional(Type.String({ description: 'Bytes, RFC 4648, section 4.' })),
  },
  { ...closed, title: 'CommandFile', description: 'Exactly one of content and contentBase64.' },
);

export const CommandBody = Type.Object(
  {
    argv: Type.Optional(
      Type.Array(Type.String({ maxLength: 65_536 }), {
        minItems: 1,
        maxItems: 1_000,
        description: 'The words of the command, the tool first.',
        examples: [['kubectl', 'get', 'pods', '-n', 'shop']],
      }),
    ),
    command: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 262_144,
        description: 'Instead of argv: POSIX words and quotes, never expanded.',
      }),
    ),
    files: Type.Optional(Type.Array(FileBody, { maxItems: 1_000 })),
    stdin: Type.Optional(Type.String()),
    timeoutSeconds: Type.Optional(
      Type.Integer({ minimum: 1, description: 'How long the command may run in the cluster.' }),
    ),
    reason: Type.Optional(Text(1_000, 'Why: recorded; some rules require it.')),
    requestedBy: Type.Optional(Text(200, 'For whom a bot acts: recorded as a claim, authorises nothing.')),
    notify: Type.Optional(Text(63, 'A webhook of the configuration that is told how it ended.')),
  },
  { ...closed, title: 'Command', description: 'Exactly one of argv and command.', examples: sampleCommands },
);

const { reason, requestedBy, notify, ...StepMembers } = CommandBody.properties;

const Step = Type.Object(StepMembers, {
  ...closed,
  title: 'BatchStep',
  description: 'Exactly one of argv and command.',
});

const Steps = Type.Array(Step, {
  minItems: 1,
  maxItems: 20,
  description: 'Commands that run one after the other in one pod. All are judged before any of them runs.',
});
const OnError = Type.Optional(
  Type.Enum(['stop', 'continue'], { description: 'What a step that fails does to the rest; stop unless told.' }),
);

export const BatchBody = Type.Object(
  { steps: Steps, onError: OnError, reason, requestedBy, notify },
  { ...closed, title: 'Batch', examples: [sampleBatch] },
);

/** A command, or a batch. */
export const ExplainInputBody = Type.Object(
  { ...CommandBody.properties, steps: Type.Optional(Steps), onError: OnError },
  {
    ...closed,
    title: 'CommandOrBatch',
    description: 'The body of a command or of a batch: exactly one of argv, command and steps.',
  },
);

const Attributes = Type.Object(
  {
    verb: Type.String(),
    group: Type.String(),
    resource: Type.String(),
    subresource: Type.String(),
    namespace: Type.String({ description: "'*' is all namespaces, '' cluster-scoped." }),
    name: Type.String({ description: "'' is every name." }),
  },
  { title: 'ResourceAttributes' },
);

const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Time = Type.String({ format: 'date-time' });
const PrincipalBody = Type.Object({ kind: Type.String(), tid: Type.String(), oid: Type.String() });

export const RecordBody = Type.Object(
  {
    id: Type.String(),
    cluster: Type.String(),
    argv: Type.Array(Type.String(), { description: 'As the caller sent it, secrets replaced.' }),
    status: Type.Enum(['accepted', 'submitting', 'running', 'completed', 'failed', 'unknown'], {
      description: 'completed: it ran, look at exitCode. failed: it did not run. unknown: it may or may not have run.',
    }),
    exitCode: Nullable(Type.Integer()),
    stdout: Type.String(),
    stderr: Type.String(),
    stdoutBase64: Type.Optional(Type.String({ description: 'The exact bytes, when stdout is not UTF-8.' })),
    stderrBase64: Type.Optional(Type.String({ description: 'The exact bytes, when stderr is not UTF-8.' })),
    streams: Type.Union([Type.Literal('separate'), Type.Literal('merged')]),
    outputBytes: Type.Object(
      { stdout: Type.Integer(), stderr: Type.Integer() },
      { description: 'Of the whole output, whatever head or tail left out.' },
    ),
    truncated: Type.Boolean(),
    timedOut: Type.Boolean(),
    cancelled: Type.Boolean({ description: 'A caller wanted it to end, and it did.' }),
    replayed: Type.Boolean({
      description: 'The answer to an Idempotency-Key that came before: nothing was started now.',
    }),
    settledBy: Type.Optional(
      Type.Literal('pod', { description: 'It was unknown at first; its pod told how it ended.' }),
    ),
    warnings: Type.Array(Type.String()),
    failure: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
    submittedAt: Time,
    startedAt: Nullable(Time),
    finishedAt: Nullable(Time),
    reason: Nullable(Type.String()),
    requestedBy: Nullable(Type.String()),
    principal: PrincipalBody,
    requester: Type.Optional(PrincipalBody),
    job: Type.Optional(Type.String({ description: 'The job that this is a run of.' })),
    decision: Type.Object({ role: Type.String(), rule: Type.String() }),
    azure: Type.Object({ commandId: Nullable(Type.String()) }),
    batch: Type.Optional(Type.String({ description: 'The batch that it is a step of.' })),
    receipt: Nullable(
      Type.String({ description: 'A compact JWS over the audit intent: keep it, it proves the trail.' }),
    ),
  },
  { title: 'CommandRecord', examples: [sampleRecord] },
);

export const BatchRecordBody = Type.Object(
  {
    id: Type.String(),
    status: Type.Enum(['awaiting-approval', 'running', 'completed', 'failed', 'unknown'], {
      description:
        'running from acceptance on. completed: its pod ended, look at the items. failed: no step ran. unknown: an item is.',
    }),
    onError: Type.Enum(['stop', 'continue']),
    items: Type.Array(RecordBody, { description: "The steps' records, in their order." }),
  },
  { title: 'BatchRecord' },
);

export const ListBody = <T extends TSchema>(items: T) =>
  Type.Object({
    items: Type.Array(items),
    next: Nullable(Type.String({ description: 'Pass as cursor; null at the end.' })),
  });

export const ExplainBody = Type.Object(
  {
    cluster: Type.String(),
    allowed: Type.Boolean(),
    decision: Type.Object({
      verdict: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
      role: Nullable(Type.String()),
      rule: Nullable(Type.String()),
      reason: Nullable(Type.String()),
      explanation: Type.String(),
    }),
    attributes: Type.Array(Attributes),
    rules: Type.Array(
      Type.Object({
        attributes: Attributes,
        allowed: Type.Boolean(),
        role: Nullable(Type.String()),
        rule: Nullable(Type.String()),
      }),
      { description: 'Attribute by attribute, which rule decided.' },
    ),
    command: Type.String({ description: 'The exact words that would be sent, quoted.' }),
    files: Type.Array(Type.Object({ path: Type.String(), bytes: Type.Integer() })),
    warnings: Type.Array(Type.String()),
  },
  { title: 'Explanation' },
);

export const ExplainBatchBody = Type.Object(
  {
    cluster: Type.String(),
    allowed: Type.Boolean({ description: 'Whether all of them are.' }),
    steps: Type.Array(ExplainBody),
  },
  { title: 'BatchExplanation' },
);

export const ClusterBody = Type.Object(
  {
    name: Type.String(),
    resourceId: Type.String(),
    runAs: Type.Union([Type.Literal('gateway'), Type.Literal('caller')]),
    defaultNamespace: Type.String(),
    frozen: Type.Optional(Type.String({ description: 'Why nothing may be changed there now.' })),
  },
  { title: 'Cluster' },
);

const CustomResource = Type.Object({
  name: Type.String({ description: '`resource.group`.' }),
  kind: Type.String(),
  version: Type.String(),
  namespaced: Type.Boolean(),
  shortNames: Type.Array(Type.String()),
});

export const ClusterDetailBody = Type.Object(
  {
    ...ClusterBody.properties,
    resources: Type.Object(
      {
        listed: Type.Array(CustomResource, { description: 'Named by the configuration.' }),
        discovered: Nullable(
          Type.Object({
            at: Time,
            items: Type.Array(CustomResource),
            disputed: Type.Array(Type.String(), { description: 'Their scope changed: refused until a reload.' }),
            truncated: Type.Boolean(),
          }),
        ),
      },
      { description: "Custom resources that are known beside Kubernetes' own and the well-known ones." },
    ),
    tools: Type.Object(
      { kubectl: Nullable(Type.String()), helm: Nullable(Type.String()) },
      { description: "Versions of the tools in the cluster's pod, as far as they were seen." },
    ),
  },
  { title: 'ClusterDetail' },
);

const JobRunBody = Type.Object(
  {
    slot: Nullable(Type.String({ format: 'date-time', description: 'When it was due; null for a run by hand.' })),
    at: Time,
    by: Type.Optional(PrincipalBody),
    commandId: Nullable(Type.String({ description: 'null for a batch, and where nothing was started.' })),
    batchId: Type.Optional(Type.String({ description: 'Of a job with steps.' })),
    outcome: Type.Enum(
      ['running', 'completed', 'failed', 'unknown', 'missed', 'overlapped', 'suspended', 'not-started'],
      {
        description:
          "A record's status, or why there is none: missed (nobody looked in time), overlapped (the run before it had not ended), " +
          'suspended (policy denied it), not-started.',
      },
    ),
    exitCode: Nullable(Type.Integer()),
    missed: Type.Optional(Type.Integer({ description: 'How many slots were missed up to this one.' })),
    why: Type.Optional(Type.String()),
  },
  { title: 'JobRun' },
);

const JobArgv = Type.Array(Type.String(), { description: 'Secrets replaced; `{option}` is the place of an option.' });

export const JobBody = Type.Object(
  {
    name: Type.String(),
    cluster: Type.String(),
    argv: Nullable(JobArgv),
    health: Type.Boolean({ description: "It looks at the cluster's health, and has no commands of its own." }),
    steps: Nullable(Type.Array(Type.Object({ argv: JobArgv }), { description: 'Of a job that runs a batch.' })),
    onError: Nullable(Type.Enum(['stop', 'continue'], { description: 'Of a job with steps.' })),
    options: Type.Record(
      Type.String(),
      Type.Object({
        kind: Type.Enum(['enum', 'name', 'integer']),
        values: Type.Optional(Type.Array(Type.String())),
        min: Type.Optional(Type.Integer()),
        max: Type.Optional(Type.Integer()),
        default: Nullable(Type.String({ description: 'null: a run by hand has to give one.' })),
      }),
    ),
    schedule: Nullable(Type.String({ description: 'Five cron fields; null: run by hand only.' })),
    timeZone: Nullable(Type.String()),
    onMissed: Type.Enum(['skip', 'run']),
    onOverlap: Type.Enum(['skip', 'queue']),
    enabled: Type.Boolean(),
    next: Type.Array(Time, { description: 'The next three times.' }),
    lastRun: Nullable(JobRunBody),
    suspended: Nullable(Type.Object({ since: Time, why: Type.String() })),
  },
  { title: 'Job' },
);

export const JobWithRunsBody = Type.Object(
  {
    ...JobBody.properties,
    runs: Type.Array(JobRunBody, { description: 'The last hundred, newest first.' }),
  },
  { title: 'JobWithRuns' },
);

export const RunJobBody = Type.Object(
  {
    options: Type.Optional(Type.Record(Type.String(), Type.String({ maxLength: 253 }), { maxProperties: 100 })),
    reason: Type.Optional(Text(1_000, 'Why: recorded; some rules require it.')),
    notify,
  },
  { ...closed, title: 'JobRunRequest', description: "Values of the job's options; defaults for the rest." },
);

const standing = {
  principal: Type.Object({
    kind: Type.Union([Type.Literal('user'), Type.Literal('app')]),
    tid: Type.String(),
    oid: Type.String(),
    azp: Type.String(),
    appRoles: Type.Array(Type.String()),
    groups: Type.Array(Type.String()),
    scopes: Type.Array(Type.String()),
  }),
  roles: Type.Array(Type.Object({ cluster: Type.String(), roles: Type.Array(Type.String()) })),
  unknown: Type.Array(Type.String(), { description: 'What the token does not tell.' }),
};

export const WhoAmIBody = Type.Object(
  {
    ...standing,
    requester: Type.Optional(Type.Object(standing, { description: 'The person of the Requester-Token.' })),
  },
  { title: 'Caller' },
);

export const AccessBody = Type.Object(
  {
    cluster: Type.String(),
    items: Type.Array(
      Type.Object({
        binds: Type.Optional(
          Type.Enum(['caller', 'requester'], { description: 'With a Requester-Token: whom. Both must be allowed.' }),
        ),
        role: Type.String(),
        effect: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
        rule: Type.String(),
        verbs: Type.Array(Type.String()),
        resources: Type.Array(Type.String()),
        namespaces: Type.Array(Type.String()),
        names: Type.Array(Type.String()),
        /** Resources that an allow leaves out. */
        except: Type.Array(Type.String()),
        nonResourceURLs: Type.Array(Type.String()),
      }),
      { description: 'As `kubectl auth can-i --list` has them; `*` stands for all.' },
    ),
    next: Type.Null({ description: 'All of them are there.' }),
    warnings: Type.Array(Type.String()),
  },
  { title: 'Access' },
);

export const HealthBody = Type.Object({ status: Type.Literal('ok'), version: Type.String() }, { title: 'Health' });

export const ReadinessBody = Type.Object(
  {
    status: Type.Union([Type.Literal('ready'), Type.Literal('degraded'), Type.Literal('not-ready')]),
    checks: Type.Record(
      Type.String(),
      Type.Union([Type.Literal('ok'), Type.Literal('degraded'), Type.Literal('failing')]),
    ),
    lastFailures: Type.Optional(
      Type.Record(Type.String(), Type.Object({ at: Time, message: Type.String() }), {
        description: 'How each last failed since the start, though it may be well again.',
      }),
    ),
  },
  { title: 'Readiness' },
);

export const MetadataBody = Type.Object(
  {
    resource: Type.String(),
    resource_name: Type.String(),
    authorization_servers: Type.Array(Type.String()),
    scopes_supported: Type.Array(Type.String()),
    bearer_methods_supported: Type.Array(Type.String()),
    tenant: Type.Optional(Type.String({ description: 'The only one, if there is only one.' })),
    tenants: Type.Array(Type.String()),
    audience: Type.String(),
    scope: Type.String({ description: 'What to ask Entra for.' }),
  },
  {
    title: 'ProtectedResourceMetadata',
    description: 'RFC 9728, section 2; tenant, tenants, audience and scope are members of this gateway.',
  },
);

export const ProblemBody = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    instance: Type.String(),
    code: Type.Enum(Object.keys(problems) as ProblemCode[]),
    retryable: Type.Boolean(),
    next: Type.String({ description: 'What the caller can do.' }),
  },
  { title: 'Problem', description: 'RFC 9457; some codes have further members.', examples: [sampleProblem] },
);

export type CommandInput = Static<typeof CommandBody>;
export type ExplainInput = Static<typeof ExplainInputBody>;
export type BatchInput = Static<typeof BatchBody>;
export type RunJobInput = Static<typeof RunJobBody>;
export type JobOutput = Static<typeof JobBody>;
export type JobWithRunsOutput = Static<typeof JobWithRunsBody>;
export type ExplainOutput = Static<typeof ExplainBody>;
export type ExplainBatchOutput = Static<typeof ExplainBatchBody>;
export type ClusterOutput = Static<typeof ClusterBody>;
export type ClusterDetailOutput = Static<typeof ClusterDetailBody>;
export type WhoAmIOutput = Static<typeof WhoAmIBody>;
export type AccessOutput = Static<typeof AccessBody>;
export type BatchOutputBody = Static<typeof BatchRecordBody>;
export type CommandOutputBody = Static<typeof RecordBody>;
export type Readiness = Static<typeof ReadinessBody>;
export type ProblemDocument = Static<typeof ProblemBody>;

const HealthStatus = Type.Enum(['ok', 'degraded', 'failing', 'not-allowed', 'unknown'], {
  description: 'not-allowed and unknown: it was not seen, so nobody knows whether it is well.',
});
const HealthCheck = Type.Object({ status: HealthStatus, reason: Type.Optional(Type.String()) });

const HealthPart = Type.Object(
  {
    status: HealthStatus,
    reason: Type.String(),
    checks: Type.Record(Type.String(), HealthCheck, { description: 'Each read by itself.' }),
  },
  { title: 'HealthPart', description: 'Its numbers stand beside these.', additionalProperties: true },
);

const HealthFinding = Type.Object(
  {
    severity: Type.Enum(['failing', 'degraded']),
    part: Type.String(),
    what: Type.String({ description: 'Stable, such as crash-loop.' }),
    namespace: Type.String({ description: "'' for what is in no namespace." }),
    object: Type.String({ description: 'pod/web-1, node/aks-1.' }),
    detail: Type.String({ description: 'Text out of the cluster: not to be trusted.' }),
  },
  { title: 'HealthFinding' },
);

export const ClusterHealthBody = Type.Object(
  {
    cluster: Type.String(),
    namespace: Nullable(Type.String()),
    status: HealthStatus,
    reason: Type.String(),
    at: Time,
    parts: Type.Record(Type.String(), HealthPart),
    findings: Type.Array(HealthFinding, { description: 'The worst first.' }),
    more: Type.Integer({ description: 'Findings that are left out.' }),
    cut: Type.Boolean({ description: 'Part of the cluster was not seen: its answers were too long.' }),
  },
  { title: 'ClusterHealth' },
);
export type ClusterHealthOutput = Static<typeof ClusterHealthBody>;
