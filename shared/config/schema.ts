import * as Type from 'typebox';
import type { Static } from 'typebox';

/**
 * gateway.yaml as it is written. Unknown keys are errors. What a value means beyond its form (GUIDs, loopback, references between
 * parts) is checked in load.ts, with the line.
 *
 * Each key says when a change of it takes effect, on the key itself or on a section above it: `live`, with the next look at the
 * file; `fixed`, with a restart, because a socket that listens, a store that is open or a cloud that is spoken to cannot change under
 * a running gateway (fixed-keys.ts).
 */
const strict = { additionalProperties: false } as const;
const live = { reload: 'live' } as const;
const fixed = { reload: 'fixed' } as const;
const NonEmpty = Type.String({ minLength: 1 });
const Names = Type.Array(NonEmpty, { minItems: 1 });
const FixedText = Type.String({ minLength: 1, ...fixed });

export const RuleSchema = Type.Object(
  {
    verbs: Type.Optional(Names),
    resources: Type.Optional(Names),
    namespaces: Type.Optional(Names),
    names: Type.Optional(Names),
    /** Resources that an allow leaves out, whatever its `resources` say. Denies nobody anything. */
    except: Type.Optional(Names),
    nonResourceURLs: Type.Optional(Names),
    requireReason: Type.Optional(Type.Boolean()),
    /** A verified person has to stand behind the caller. */
    requester: Type.Optional(Type.Literal('required')),
    /** The call has to come with this application's own token. */
    via: Type.Optional(Type.Object({ app: NonEmpty, tenant: Type.Optional(NonEmpty) }, strict)),
    podSecurity: Type.Optional(
      Type.Union([Type.Literal('restricted'), Type.Literal('baseline'), Type.Literal('privileged')]),
    ),
    serviceAccounts: Type.Optional(Names),
    charts: Type.Optional(Names),
  },
  { ...strict, later: ['approval'] },
);

const RoleSchema = Type.Object(
  { allow: Type.Optional(Type.Array(RuleSchema)), deny: Type.Optional(Type.Array(RuleSchema)) },
  { ...strict, later: ['grantable'] },
);

const Tenant = { tenant: Type.Optional(NonEmpty) };
const SubjectSchema = Type.Union([
  Type.Object({ appRole: NonEmpty, ...Tenant }, strict),
  Type.Object({ group: NonEmpty, ...Tenant }, strict),
  Type.Object({ user: NonEmpty, ...Tenant }, strict),
  Type.Object({ app: NonEmpty, ...Tenant }, strict),
  Type.Object({ job: NonEmpty }, strict),
]);

const BlockedSchema = Type.Union([
  Type.Object({ user: NonEmpty, ...Tenant }, strict),
  Type.Object({ app: NonEmpty, ...Tenant }, strict),
]);

/** The file that `policy.blockedFrom` names. */
export const BlockedListSchema = Type.Object({ blocked: Type.Array(BlockedSchema) }, strict);

const PolicySchema = Type.Object(
  {
    roles: Type.Record(NonEmpty, RoleSchema, live),
    bindings: Type.Array(
      Type.Object(
        {
          role: NonEmpty,
          clusters: Names,
          /** Values for the role's parameters. */
          with: Type.Optional(Type.Record(NonEmpty, NonEmpty)),
          /** Where a built-in role holds; everywhere unless said. */
          namespaces: Type.Optional(Names),
          subjects: Type.Array(SubjectSchema, { minItems: 1 }),
        },
        strict,
      ),
      live,
    ),
    blocked: Type.Optional(Type.Array(BlockedSchema, live)),
    /** Where more of the blocked are read from: a file, or the https address of a blob, in the form of BlockedListSchema. */
    blockedFrom: Type.Optional(FixedText),
  },
  strict,
);

const ExtraResourceSchema = Type.Object(
  {
    group: Type.String(),
    version: NonEmpty,
    resource: NonEmpty,
    kind: NonEmpty,
    namespaced: Type.Boolean(),
    shortNames: Type.Optional(Type.Array(NonEmpty)),
  },
  strict,
);

const ClusterSchema = Type.Object(
  {
    resourceId: NonEmpty,
    runAs: Type.Optional(Type.Union([Type.Literal('gateway'), Type.Literal('caller')])),
    impersonate: Type.Optional(Type.Boolean()),
    defaultNamespace: Type.Optional(NonEmpty),
    frozen: Type.Optional(NonEmpty),
    /** A well-known one by `resource.group`, any other spelt out; or `discover`: the cluster's own definitions are read once a day. */
    resources: Type.Optional(
      Type.Union([Type.Literal('discover'), Type.Array(Type.Union([NonEmpty, ExtraResourceSchema]))]),
    ),
  },
  { ...strict, later: ['sessions'] },
);

const CredentialSchema = Type.Union(
  [
    Type.Object({ kind: Type.Literal('managedIdentity'), clientId: Type.Optional(NonEmpty) }, strict),
    Type.Object({ kind: Type.Literal('default') }, strict),
    Type.Object({ kind: Type.Literal('static'), tokenEnv: NonEmpty }, strict),
  ],
  fixed,
);

const OnBehalfOfSchema = Type.Union(
  [
    Type.Object({ clientId: NonEmpty, secretEnv: NonEmpty }, strict),
    Type.Object({ clientId: NonEmpty, federatedIdentityClientId: NonEmpty }, strict),
  ],
  live,
);

const Count = Type.Integer({ minimum: 1 });
const traffic = {
  requestsPerMinute: Type.Optional(Count),
  auditLinesPerMinute: Type.Optional(Count),
  bytesInPerMinute: Type.Optional(Count),
  bytesOutPerMinute: Type.Optional(Count),
  openRequests: Type.Optional(Count),
  heldBytes: Type.Optional(Count),
};

/** Values that a person may choose when a job is run by hand: words of a list, a Kubernetes name, or a number. */
const JobOptionSchema = Type.Union([
  Type.Object({ enum: Names, default: Type.Optional(NonEmpty) }, strict),
  Type.Object({ type: Type.Literal('name'), default: Type.Optional(NonEmpty) }, strict),
  Type.Object(
    { type: Type.Literal('integer'), min: Type.Integer(), max: Type.Integer(), default: Type.Optional(Type.Integer()) },
    strict,
  ),
]);

const FileSchema = Type.Object({ path: NonEmpty, content: Type.String() }, strict);

const JobStep = {
  argv: Type.Optional(Names),
  files: Type.Optional(Type.Array(FileSchema, { minItems: 1 })),
  stdin: Type.Optional(Type.String()),
  timeoutSeconds: Type.Optional(Count),
};

const JobSchema = Type.Object(
  {
    name: NonEmpty,
    cluster: NonEmpty,
    /** Left out: run by hand only. */
    schedule: Type.Optional(NonEmpty),
    timeZone: Type.Optional(NonEmpty),
    ...JobStep,
    steps: Type.Optional(Type.Array(Type.Object(JobStep, strict), { minItems: 1 })),
    /** One look at the cluster's health, in place of commands. */
    health: Type.Optional(Type.Literal(true)),
    onError: Type.Optional(Type.Union([Type.Literal('stop'), Type.Literal('continue')])),
    reason: Type.Optional(NonEmpty),
    options: Type.Optional(Type.Record(NonEmpty, JobOptionSchema)),
    /** A webhook, told of the job's failures; of each end with `notifyOn: always`. */
    notify: Type.Optional(NonEmpty),
    notifyOn: Type.Optional(Type.Union([Type.Literal('failure'), Type.Literal('always')])),
    onMissed: Type.Optional(Type.Union([Type.Literal('skip'), Type.Literal('run')])),
    onOverlap: Type.Optional(Type.Union([Type.Literal('skip'), Type.Literal('queue')])),
    enabled: Type.Optional(Type.Boolean()),
  },
  strict,
);

/** Where the gateway may send to. Its secrets come from the environment. */
const WebhookSchema = Type.Object(
  {
    url: Type.Optional(NonEmpty),
    urlEnv: Type.Optional(NonEmpty),
    secretEnv: Type.Optional(NonEmpty),
    profile: Type.Optional(Type.Union([Type.Literal('json'), Type.Literal('slack'), Type.Literal('teams')])),
    events: Type.Optional(Names),
    output: Type.Optional(Type.Boolean()),
    private: Type.Optional(Type.Boolean()),
    hosts: Type.Optional(Names),
  },
  strict,
);

export const ConfigSchema = Type.Object(
  {
    version: Type.Literal(1, fixed),
    shutdown: Type.Optional(
      Type.Object({ graceSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 300, ...live })) }, strict),
    ),
    publicUrl: Type.Optional(Type.String({ minLength: 1, ...live })),
    listen: Type.Optional(
      Type.Object(
        { host: Type.Optional(NonEmpty), port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 })) },
        { ...strict, ...fixed },
      ),
    ),
    identity: Type.Object(
      {
        authority: Type.Optional(FixedText),
        tenants: Type.Array(NonEmpty, { minItems: 1, ...live }),
        audience: Type.String({ minLength: 1, ...live }),
        scopes: Type.Optional(Type.Array(NonEmpty, { minItems: 1, ...live })),
        groupsClaim: Type.Optional(Type.Union([Type.Literal('emitted'), Type.Literal('absent')], live)),
      },
      strict,
    ),
    azure: Type.Object(
      {
        resourceManager: Type.Optional(FixedText),
        credential: CredentialSchema,
        onBehalfOf: Type.Optional(OnBehalfOfSchema),
      },
      strict,
    ),
    clusters: Type.Record(NonEmpty, ClusterSchema, live),
    storage: Type.Object(
      {
        audit: FixedText,
        records: FixedText,
        signingKey: FixedText,
        /** A public JWK: the data in commands is encrypted to it, and stands in the trail as a digest without it. */
        auditorKey: Type.Optional(Type.Record(NonEmpty, Type.Unknown(), fixed)),
        /** A second place for the audit trail's signed checkpoints, which a writer of the first cannot reach. */
        checkpoints: Type.Optional(FixedText),
        /** How long what commands printed is kept, and how long their records are. */
        retention: Type.Optional(
          Type.Object(
            { resultsHours: Type.Optional(Count), recordsDays: Type.Optional(Count) },
            { ...strict, ...live },
          ),
        ),
      },
      strict,
    ),
    /** Azure Monitor Logs as a second, best-effort way out for audit events: a data collection rule and its stream. */
    monitorLogs: Type.Optional(
      Type.Object({ endpoint: NonEmpty, ruleId: NonEmpty, stream: NonEmpty }, { ...strict, ...fixed }),
    ),
    /** Traces and metrics: to Application Insights or over OTLP, and metrics as Prometheus' text on request. */
    telemetry: Type.Optional(
      Type.Object(
        {
          azureMonitor: Type.Optional(Type.Literal(true)),
          otlp: Type.Optional(NonEmpty),
          prometheus: Type.Optional(Type.Boolean()),
        },
        { ...strict, ...fixed },
      ),
    ),
    limits: Type.Optional(
      Type.Object(
        {
          perPrincipal: Type.Optional(
            Type.Object(
              {
                running: Type.Optional(Count),
                queued: Type.Optional(Type.Integer({ minimum: 0 })),
                submitsPerMinute: Type.Optional(Count),
                /** Of what the caller's commands printed. */
                storedBytes: Type.Optional(Count),
                ...traffic,
              },
              { ...strict, ...live },
            ),
          ),
          total: Type.Optional(Type.Object(traffic, { ...strict, ...live })),
          perCluster: Type.Optional(Type.Object({ running: Type.Optional(Count) }, { ...strict, ...live })),
          bodyBytes: Type.Optional(Type.Integer({ minimum: 1024, maximum: 64 * 1024 * 1024, ...fixed })),
          timeoutSeconds: Type.Optional(
            Type.Object({ default: Type.Optional(Count), max: Type.Optional(Count) }, { ...strict, ...live }),
          ),
        },
        strict,
      ),
    ),
    policy: PolicySchema,
    jobs: Type.Optional(Type.Array(JobSchema, live)),
    webhooks: Type.Optional(Type.Record(NonEmpty, WebhookSchema, live)),
  },
  strict,
);

export type ConfigFile = Static<typeof ConfigSchema>;
export type WebhookFile = Static<typeof WebhookSchema>;
export type JobFile = Static<typeof JobSchema>;
export type PolicyFile = Static<typeof PolicySchema>;
export type BindingFile = PolicyFile['bindings'][number];
export type RoleFile = Static<typeof RoleSchema>;
export type RuleFile = Static<typeof RuleSchema>;
export type SubjectFile = Static<typeof SubjectSchema>;
export type BlockedFile = Static<typeof BlockedSchema>;
export type BlockedListFile = Static<typeof BlockedListSchema>;
