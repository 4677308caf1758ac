import type { ExtraResource } from '../kubernetes/extra-resource.ts';
import type { Secret } from '../secret.ts';
import type { PolicyFile } from './schema.ts';

/** The configuration in force: checked, with every default filled in. Made by load.ts only. */
export interface Config {
  /** The address by which callers know the gateway, no trailing slash; may have a path, which a proxy in front takes off. */
  readonly publicUrl?: string | undefined;
  /** How long a stop waits for what is under way. */
  readonly graceSeconds: number;
  readonly listen: { readonly host: string; readonly port: number };
  readonly identity: IdentityConfig;
  readonly azure: AzureConfig;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly storage: StorageConfig;
  readonly monitorLogs?: MonitorLogs | undefined;
  readonly telemetry?: TelemetryConfig | undefined;
  readonly limits: Limits;
  readonly policy: PolicyFile;
  readonly jobs: readonly JobConfig[];
  readonly webhooks: ReadonlyMap<string, Webhook>;
  /** SHA-256 of the file as read, hex: goes into the audit trail. */
  readonly digest: string;
  /** What the operator should know: what is insecure, what a role implies. */
  readonly warnings: readonly string[];
}

export interface IdentityConfig {
  /** `https://login.microsoftonline.com`, no trailing slash. */
  readonly authority: string;
  /** Lower-case GUIDs. */
  readonly tenants: readonly string[];
  readonly audience: string;
  /** Delegated scopes, any one of which a user's token must carry. Empty: none is asked for. */
  readonly scopes: readonly string[];
  /** Whether the app registration emits the `groups` claim: then a token without one is of somebody in no group. */
  readonly groupsClaim?: 'emitted' | 'absent' | undefined;
}

export interface AzureConfig {
  /** `https://management.azure.com`, no trailing slash. */
  readonly resourceManager: string;
  readonly credential:
    | { readonly kind: 'managedIdentity'; readonly clientId?: string | undefined }
    | { readonly kind: 'default' }
    | { readonly kind: 'static'; readonly tokenEnv: string };
  readonly onBehalfOf?:
    | { readonly clientId: string; readonly secretEnv: string }
    | { readonly clientId: string; readonly federatedIdentityClientId: string }
    | undefined;
}

/** What the command room has to know of a cluster. */
export interface CommandContext {
  readonly defaultNamespace: string;
  /** The cluster's own resources (CRDs) from the configuration. */
  readonly resources: readonly ExtraResource[];
  /** What was read from the cluster itself, where the configuration says `resources: discover`. */
  readonly discovered?: Discovered | undefined;
}

/** The custom resources of a cluster, by its own definitions. */
export interface Discovered {
  /** Epoch ms. */
  readonly at: number;
  readonly resources: readonly ExtraResource[];
  /** `resource.group` of those that are namespaced here and cluster-scoped there, or the other way round, as far as anybody knew before. */
  readonly disputed: readonly string[];
  /** There were more than could be kept. */
  readonly cut: boolean;
}

export interface Cluster extends CommandContext {
  /** The name callers use. */
  readonly name: string;
  readonly arm: ArmId;
  readonly runAs: 'gateway' | 'caller';
  readonly impersonate: boolean;
  /** The definitions of custom resources are read from the cluster. */
  readonly discover?: true | undefined;
  /** Why nothing may be changed there now; reads go on. */
  readonly frozen?: string | undefined;
}

/** A managed cluster's ARM id in parts; `id` is the canonical text, built from the parts. */
export interface ArmId {
  readonly id: string;
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly name: string;
}

export interface StorageConfig {
  readonly audit: StorageLocation;
  readonly records: StorageLocation;
  readonly signingKey: StorageLocation;
  /** The public JWK that hidden words are encrypted to. */
  readonly auditorKey?: Readonly<Record<string, unknown>> | undefined;
  /** A second place for signed checkpoints. */
  readonly checkpoints?: StorageLocation | undefined;
  /** How long what commands printed is kept. */
  readonly resultsHours: number;
  /** How long the record of a command is kept after its end; the audit trail stays. */
  readonly recordsDays: number;
}

/** Where Azure Monitor Logs takes audit events (Logs Ingestion API). */
export interface MonitorLogs {
  /** `https://….ingest.monitor.azure.com`. */
  readonly endpoint: string;
  /** The data collection rule's immutable id, `dcr-…`. */
  readonly ruleId: string;
  /** `Custom-AksGatewayAudit_CL`. */
  readonly stream: string;
}

/** Where traces and metrics go. */
export interface TelemetryConfig {
  readonly to?:
    | {
        readonly kind: 'azureMonitor';
        /** The connection string of Application Insights. */
        readonly connection: Secret;
        /** Whether it takes nothing without a token (APPLICATIONINSIGHTS_AUTHENTICATION_STRING). */
        readonly authenticated: boolean;
      }
    /** The address that `/v1/traces` and `/v1/metrics` are below, no trailing slash. */
    | { readonly kind: 'otlp'; readonly url: string }
    | undefined;
  /** Metrics at `/metrics`. */
  readonly prometheus: boolean;
}

/** `file:` and `sqlite:` are paths on this machine, resolved against the configuration's folder; https is Azure. */
export type StorageLocation =
  | { readonly kind: 'file' | 'sqlite'; readonly path: string }
  | { readonly kind: 'azure'; readonly url: string };

export interface Limits {
  readonly perPrincipal: TrafficLimits & {
    readonly running: number;
    readonly queued: number;
    readonly submitsPerMinute: number;
    /** How much of what the caller's commands printed is kept at a time. */
    readonly storedBytes: number;
  };
  /** All callers together. */
  readonly total: TrafficLimits;
  readonly perCluster: { readonly running: number };
  readonly bodyBytes: number;
  readonly timeoutSeconds: { readonly default: number; readonly max: number };
}

/** What a caller may use, on reads too. */
export interface TrafficLimits {
  readonly requestsPerMinute: number;
  readonly auditLinesPerMinute: number;
  readonly bytesInPerMinute: number;
  readonly bytesOutPerMinute: number;
  readonly openRequests: number;
  /** Memory for bodies, for what queued commands will send, and for answers on their way out. */
  readonly heldBytes: number;
}

/** Which entrance the gateway was started by: each says so itself, since no environment tells it for certain. */
export type Entrance = 'port' | 'functions';

/** Where the configuration in force is read: always the last good one. */
export interface ConfigSource {
  current(): Config;
  /**
   * The configuration in force; when the last look at its source is more than a minute old, after a new one. What decides about
   * callers asks this. Rejects only with the signal's reason.
   */
  fresh(signal?: AbortSignal): Promise<Config>;
  /** Whether the last look is at most a minute old. For what cannot wait: the moment in which a command leaves. */
  isFresh(): boolean;
  /** Why what was last found at the source is not in force; undefined when it is. */
  problem(): Error | undefined;
}

/** Where the gateway may send to. The address itself may be a secret, and then stands in the environment. */
export interface Webhook {
  readonly name: string;
  readonly url?: string | undefined;
  readonly urlEnv?: string | undefined;
  readonly secretEnv?: string | undefined;
  readonly profile: 'json' | 'slack' | 'teams';
  /** The events that it lists. */
  readonly events: readonly string[];
  /** Whether what commands printed goes out too, not only how they ended. */
  readonly output: boolean;
  /** Whether `hosts` may have private addresses. */
  readonly private: boolean;
  readonly hosts: readonly string[];
}

/** A job as the file has it, with defaults. Whether its schedule and its commands make sense is the jobs room's question. */
export interface JobConfig {
  readonly name: string;
  readonly cluster: string;
  readonly schedule?: { readonly cron: string; readonly timeZone: string } | undefined;
  readonly steps: readonly JobStepConfig[];
  /** Written as `steps`: a batch, also with one step. */
  readonly batch: boolean;
  /** It looks at the cluster's health: its steps are the gateway's own, and it has none here. */
  readonly health: boolean;
  readonly onError: 'stop' | 'continue';
  readonly reason?: string | undefined;
  readonly options: ReadonlyMap<string, JobOption>;
  readonly notify?: { readonly webhook: string; readonly on: 'always' | 'failure' } | undefined;
  readonly onMissed: 'skip' | 'run';
  readonly onOverlap: 'skip' | 'queue';
  readonly enabled: boolean;
}

export interface JobStepConfig {
  /** A word that is `{option}` stands for the option's value. */
  readonly argv: readonly string[];
  readonly files: readonly { readonly path: string; readonly content: string }[];
  readonly stdin?: string | undefined;
  readonly timeoutSeconds?: number | undefined;
}

export type JobOption =
  | { readonly kind: 'enum'; readonly values: readonly string[]; readonly default?: string | undefined }
  | { readonly kind: 'name'; readonly default?: string | undefined }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly default?: string | undefined };
