import * as Type from 'typebox';
import type { Static, TObject, TSchema } from 'typebox';
import { type ProblemCode, problems } from '../errors.ts';
import { type EventName, eventCodes, floodEvents } from './events.ts';

/**
 * What a line of the trail holds, code by code (README.md, "Events"): for readers of a trail without this code, and for the
 * compiler, which holds composeEvent to it. Closed: a member that stands here nowhere is never written.
 */
const closed = { additionalProperties: false } as const;
/** Text is capped, and says then how much is missing (text.ts). */
const Text = (limit: number) => Type.String({ maxLength: limit + 16 });
const Short = Text(256);
const Free = Text(2048);
const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** RFC 3339, UTC, milliseconds: of fixed length. */
const Time = Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' });
const Stream = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,99}$' });
const Problem = Type.Enum(Object.keys(problems) as ProblemCode[]);
/** A JWS over the member beside it, its payload left out (RFC 7515, appendix F). */
const Detached = Type.String({ pattern: '^[\\w-]+\\.\\.[\\w-]+$' });

export const publicKeySchema = Type.Object(
  { crv: Type.Literal('P-256'), kty: Type.Literal('EC'), x: Type.String(), y: Type.String() },
  closed,
);
const Head = Type.Object(
  {
    stream: Type.String(),
    // -1: a stream without a whole line.
    seq: Type.Integer({ minimum: -1 }),
    hash: Hash,
    torn: Type.Optional(Type.Object({ bytes: Count, sha256: Hash }, closed)),
  },
  closed,
);
/** What the root key signs. */
export const openingSchema = Type.Object(
  {
    trail: Type.Object({ id: Short, tenants: Type.Array(Short), clusters: Type.Array(Text(1024)) }, closed),
    stream: Stream,
    time: Time,
    build: Type.String(),
    key: publicKeySchema,
    keyId: Type.String(),
    root: publicKeySchema,
    rootKeyId: Type.String(),
    rootKeyAt: Type.Optional(Type.String()),
    hmacKey: Type.Union([
      Type.Object({ alg: Type.Literal('none') }, closed),
      Type.Object({ alg: Type.Literal('HKDF-A256GCM'), value: Type.String() }, closed),
      Type.Object({ alg: Type.Literal('RSA-OAEP-256'), keyAt: Type.String(), value: Type.String() }, closed),
    ]),
    heads: Type.Array(Head),
  },
  closed,
);
const Checkpoint = Type.Object(
  {
    trail: Short,
    stream: Stream,
    seq: Count,
    hash: Hash,
    time: Time,
    prevCheckpoint: Hash,
    heads: Type.Array(Head),
    final: Type.Optional(Type.Literal(true)),
    storeTime: Type.Optional(Time),
  },
  closed,
);

const Principal = Type.Object(
  { tid: Short, oid: Short, idtyp: Type.Enum(['user', 'app', 'job']), azp: Short, uti: Short },
  closed,
);
const Presented = Type.Object(
  {
    tid: Type.Optional(Short),
    oid: Type.Optional(Short),
    azp: Type.Optional(Short),
    uti: Type.Optional(Short),
    signature: Type.Enum(['valid', 'invalid', 'unchecked']),
  },
  closed,
);
const Cluster = Type.Object({ name: Short, armId: Text(1024), runAs: Type.Enum(['gateway', 'caller']) }, closed);
const request = {
  requestId: Short,
  /** W3C Trace Context: the trace that the request is part of. */
  traceId: Type.Optional(Type.String({ pattern: '^[0-9a-f]{32}$' })),
  principal: Type.Optional(Principal),
  peer: Type.Optional(Short),
  requester: Type.Optional(Type.Object({ tid: Short, oid: Short, idtyp: Type.Enum(['user', 'app', 'job']) }, closed)),
  claimed: Type.Optional(
    Type.Object({ requestedBy: Type.Optional(Free), ip: Type.Optional(Short), userAgent: Type.Optional(Free) }, closed),
  ),
  cluster: Type.Optional(Cluster),
};
const Attribute = Type.Object(
  { verb: Short, group: Short, resource: Short, subresource: Short, namespace: Short, name: Short },
  closed,
);
/** App roles and groups that a binding there names; whether the token leaves groups out; how many are not listed here. */
const Memberships = Type.Object(
  {
    appRoles: Type.Array(Short, { maxItems: 50 }),
    groups: Type.Array(Short, { maxItems: 50 }),
    groupsUnknown: Type.Optional(Type.Literal(true)),
    cut: Type.Optional(Count),
  },
  closed,
);
const command = {
  argv: Type.Array(Text(1024), { maxItems: 201 }),
  /** What `[redacted]` stands for in argv, word by word: data by its position. */
  data: Type.Optional(Type.Array(Type.Object({ word: Count, bytes: Count, hmac: Hash }, closed), { maxItems: 201 })),
  /** The same words, encrypted to the auditor: a compact JWE. */
  sealed: Type.Optional(Type.String({ maxLength: 1024 * 1024 })),
  attributes: Type.Optional(Type.Array(Attribute, { maxItems: 256 })),
  attributesCut: Type.Optional(Count),
  memberships: Type.Optional(Memberships),
  /** The same of the person behind the caller. */
  requesterMemberships: Type.Optional(Memberships),
  reason: Type.Optional(Free),
  textHmac: Type.Optional(Hash),
  filesHmac: Type.Optional(
    Type.Array(Type.Object({ path: Free, bytes: Count, hmac: Hash }, closed), { maxItems: 256 }),
  ),
  filesCut: Type.Optional(Count),
  stdinHmac: Type.Optional(Hash),
};
const rule = { rule: Type.Optional(Short), policyDigest: Short };
const detail = { detail: Free };
const commandId = { commandId: Short };
/** Of a line that stands for no request: whose command it is, and where. */
const whose = Type.Optional(
  Type.Object(
    {
      principal: Type.Object({ tid: Short, oid: Short }, closed),
      cluster: Type.Object({ name: Short }, closed),
    },
    closed,
  ),
);
const ofCommand = { ...commandId, whose };
const ofBatch = { batchId: Short, whose, status: Short };
const ended = {
  ...ofCommand,
  outcome: Type.Object(
    {
      exitCode: Type.Optional(Type.Integer()),
      timedOut: Type.Optional(Type.Boolean()),
      bytes: Type.Optional(Count),
      cut: Type.Optional(Type.Boolean()),
      stdoutHmac: Type.Optional(Hash),
      failure: Type.Optional(Type.Object({ code: Short, message: Free }, closed)),
    },
    closed,
  ),
};

/** Of what a webhook was told, or was to be. */
const ofDelivery = {
  deliveryId: Short,
  webhook: Short,
  about: Short,
  commandId: Type.Optional(Short),
  job: Type.Optional(Short),
  whose: ofCommand.whose,
  attempts: Count,
  ...detail,
};
/** Of a time at which a job was due. */
const ofSlot = { job: Short, slot: Time, ...detail };

/** What each event says, in the members of its own. */
const memberSchemas = {
  'stream.opened': { opening: openingSchema, signature: Detached },
  checkpoint: { checkpoint: Checkpoint, signature: Detached },
  'stream.closed': {},
  recovered: { lost: Head },
  'batch.signed': { maxTime: Time, lagMs: Count, final: Type.Optional(Type.Literal(true)), signature: Detached },
  'config.loaded': { configDigest: Short, policyDigest: Short, build: Short },
  'config.refused': { source: Free, ...detail },
  'config.loading': {
    source: Free,
    configDigest: Short,
    policyDigest: Short,
    previousConfigDigest: Short,
    changed: Type.Array(Short, { maxItems: 50 }),
  },
  'auth.failed': { ...request, problem: Problem, presented: Type.Optional(Presented), ...detail },
  'principal.denied': { ...request, ...detail },
  'command.refused': { ...request, ...command, problem: Problem, ...detail },
  'command.denied': { ...request, ...command, decision: Type.Enum(['allow', 'deny']), ...rule, ...detail },
  'command.explained': {
    ...request,
    ...command,
    decision: Type.Optional(Type.Enum(['allow', 'deny'])),
    rule: Type.Optional(Short),
    policyDigest: Type.Optional(Short),
  },
  'rate-limited': { ...request, ...detail },
  'request.refused': { ...request, problem: Problem, ...detail },
  'command.intended': {
    ...request,
    ...command,
    decision: Type.Enum(['allow', 'deny']),
    ...rule,
    configDigest: Short,
    ...commandId,
    batchId: Type.Optional(Short),
  },
  'command.replayed': { ...request, ...commandId },
  'command.accepted': {
    ...ofCommand,
    azure: Type.Object({ commandId: Short, requestId: Type.Optional(Short) }, closed),
  },
  'command.rejected': ended,
  'command.unknown': ended,
  'command.completed': ended,
  'command.failed': ended,
  'command.inconsistent': { ...ofCommand, ...detail },
  'command.interrupted': ended,
  'command.settled': { ...ended, azure: Type.Object({ commandId: Short }, closed) },
  'command.cancel-asked': { ...request, ...commandId },
  'command.cancelled': ended,
  'batch.intended': {
    ...request,
    batchId: Short,
    commandIds: Type.Array(Short, { maxItems: 20 }),
    onError: Type.Enum(['stop', 'continue']),
  },
  'batch.ended': ofBatch,
  'batch.stopped': ofBatch,
  'result.read': { ...request, ...commandId },
  'audit.read': { ...request, ...detail },
  'list.read': { ...request, ...detail },
  'result.purged': { count: Count },
  'job.fired': ofSlot,
  'job.failed': { ...ofSlot, commandId: Type.Optional(Short) },
  'job.missed': ofSlot,
  'job.overlapped': ofSlot,
  'job.suspended': { ...ofSlot, commandId: Type.Optional(Short) },
  'job.run-by-hand': { ...request, job: Short, ...detail },
  'job.changed': { job: Short, ...detail },
  'delivery.sent': ofDelivery,
  'delivery.failed': ofDelivery,
  'delivery.refused': ofDelivery,
} as const satisfies Record<EventName, Record<string, TSchema>>;

/** One line for many of a flood (flood.ts): of the one who asks only what all of them share. */
const aggregated = {
  detail: Free,
  problem: Type.Optional(Problem),
  principal: Type.Optional(Principal),
  cluster: Type.Optional(Cluster),
  aggregated: Type.Object(
    {
      count: Count,
      spanMs: Count,
      addresses: Type.Array(Short, { maxItems: 10 }),
      moreAddresses: Type.Boolean(),
    },
    closed,
  ),
};

/** The members of a line that the chain adds to an event's own (write/batch.ts). */
const chained = { v: Type.Literal(1), stream: Stream, seq: Count, prev: Hash, time: Time, monoMs: Count };

const names = Object.keys(eventCodes) as EventName[];

/** The whole line of each event, as JSON Schema. */
export const lineSchemas: ReadonlyMap<EventName, TSchema> = new Map(
  names.map((name) => {
    const line = (members: Record<string, TSchema>) =>
      Type.Object({ ...chained, code: Type.Literal(eventCodes[name]), ...members }, closed);
    const own = line(memberSchemas[name]);
    const flooding = (floodEvents as readonly EventName[]).includes(name);
    return [name, flooding ? Type.Union([own, line(aggregated)]) : own];
  }),
);

/** An event's own members before they are written; what is undefined is left out then. */
export type Members<E extends EventName> = Loose<Static<TObject<(typeof memberSchemas)[E]>>>;
export type RequestMembers = Loose<Static<TObject<typeof request>>>;
export type SubjectMembers = Loose<Static<TObject<typeof ofCommand>>>;
export type WhoseMembers = SubjectMembers['whose'];
export type CommandMembers = Loose<Static<TObject<typeof command>>>;

type Loose<T> = T extends readonly (infer Item)[]
  ? readonly Loose<Item>[]
  : T extends object
    ? {
        readonly [K in keyof T]: object extends Pick<T, K> ? Loose<Exclude<T[K], undefined>> | undefined : Loose<T[K]>;
      }
    : T;
