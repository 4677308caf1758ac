import type { ResourceAttributes } from '../../kubernetes/attributes.ts';
import type { JsonObject } from '../../lib/canonical-json.ts';
import type { PresentedToken } from '../../identity/refusals.ts';
import type {
  AuditEvent,
  CommandFacts,
  Memberships,
  CommandSubject,
  OutcomeEvent,
  OutcomeFacts,
  RequestFacts,
} from '../events.ts';
import { type RedactedWord, redactWords } from '../../command/redact-words.ts';
import { REDACTED, redactText } from '../../lib/redact.ts';
import type { CommandMembers, Members, RequestMembers, SubjectMembers, WhoseMembers } from '../schemas.ts';
import { capText, escapeText } from '../../lib/safe-text.ts';

/** Bounds of one line. With them a line stays well below the batch's 1 MiB, whatever a caller sends. */
const limits = { text: 2048, word: 1024, argvWords: 200, argvText: 16 * 1024, attributes: 256, files: 256, short: 256 };

/** Hex HMAC-SHA-256 under the stream's key; `label` keeps the kinds of data apart. */
export type Digest = (label: 'text' | 'file' | 'stdin' | 'stdout' | 'word', data: string | Uint8Array) => string;

/** Words that are hidden in a line, for the auditor: their place in `argv` and what they were. */
export interface HiddenWord {
  readonly word: number;
  readonly text: string;
}

/** How much of hidden words is sealed, so that a line stays far below what readers take: of each, and of all; UTF-16 units. */
const SEALED_WORD = 16 * 1024;
const SEALED_WORDS = 128 * 1024;

/** The words of an event that its line hides, in the order of its `data`, each cut to what is sealed. */
export function wordsToSeal(event: AuditEvent): readonly HiddenWord[] {
  let room = SEALED_WORDS;
  const hidden = 'argv' in event ? recordedWords(event.argv).hidden : [];
  return hidden.map(({ word, text }) => {
    const kept = text.slice(0, Math.min(SEALED_WORD, room));
    room -= kept.length;
    return { word, text: kept };
  });
}

/** An event's own members as they go into its line: redacted, escaped, capped, digested. Undefined members are left out later. */
export function composeEvent(event: AuditEvent, digest: Digest): JsonObject {
  switch (event.event) {
    case 'config.loaded':
      return {
        configDigest: short(event.configDigest),
        policyDigest: short(event.policyDigest),
        build: short(event.build),
      } satisfies Members<'config.loaded'>;
    case 'config.refused':
      return { source: free(event.source), detail: free(event.detail) } satisfies Members<'config.refused'>;
    case 'config.loading':
      return {
        source: free(event.source),
        configDigest: short(event.configDigest),
        policyDigest: short(event.policyDigest),
        previousConfigDigest: short(event.previousConfigDigest),
        changed: event.changed.slice(0, 50).map(short),
      } satisfies Members<'config.loading'>;
    case 'auth.failed':
      return {
        ...request(event),
        problem: event.problem,
        presented: optional(event.presented, presented),
        detail: free(event.detail),
      } satisfies Members<'auth.failed'>;
    case 'request.refused':
      return {
        ...request(event),
        problem: event.problem,
        detail: free(event.detail),
      } satisfies Members<'request.refused'>;
    case 'result.purged':
      return { count: event.count } satisfies Members<'result.purged'>;
    case 'principal.denied':
    case 'rate-limited':
    case 'audit.read':
    case 'list.read':
      return { ...request(event), detail: free(event.detail) } satisfies Members<
        'principal.denied' | 'rate-limited' | 'audit.read' | 'list.read'
      >;
    case 'command.refused':
      return {
        ...request(event),
        ...command(event, digest),
        problem: event.problem,
        detail: free(about(event)),
      } satisfies Members<'command.refused'>;
    case 'command.denied':
      return {
        ...request(event),
        ...command(event, digest),
        decision: event.decision,
        rule: optional(event.rule, short),
        policyDigest: short(event.policyDigest),
        detail: free(about(event)),
      } satisfies Members<'command.denied'>;
    case 'command.explained':
      return {
        ...request(event),
        ...command(event, digest),
        decision: event.decision,
        rule: optional(event.rule, short),
        policyDigest: optional(event.policyDigest, short),
      } satisfies Members<'command.explained'>;
    case 'command.intended':
      return {
        ...request(event),
        ...command(event, digest),
        decision: event.decision,
        rule: optional(event.rule, short),
        policyDigest: short(event.policyDigest),
        configDigest: short(event.configDigest),
        commandId: short(event.commandId),
        batchId: optional(event.batchId, short),
      } satisfies Members<'command.intended'>;
    case 'batch.intended':
      return {
        ...request(event),
        batchId: short(event.batchId),
        commandIds: event.commandIds.map(short),
        onError: event.onError,
      } satisfies Members<'batch.intended'>;
    case 'batch.ended':
    case 'batch.stopped':
      return {
        batchId: short(event.batchId),
        whose: whose(event),
        status: short(event.status),
      } satisfies Members<'batch.ended' | 'batch.stopped'>;
    case 'command.replayed':
    case 'command.cancel-asked':
    case 'result.read':
      return { ...request(event), commandId: short(event.commandId) } satisfies Members<
        'command.replayed' | 'command.cancel-asked' | 'result.read'
      >;
    case 'command.accepted':
      return {
        ...subject(event),
        azure: { commandId: short(event.azureCommandId), requestId: optional(event.azureRequestId, short) },
      } satisfies Members<'command.accepted'>;
    case 'command.settled':
      return {
        ...subject(event),
        azure: { commandId: short(event.azureCommandId) },
        outcome: outcome(event, digest),
      } satisfies Members<'command.settled'>;
    case 'command.rejected':
    case 'command.unknown':
    case 'command.completed':
    case 'command.failed':
    case 'command.interrupted':
    case 'command.cancelled':
      return {
        ...subject(event),
        outcome: outcome(event, digest),
      } satisfies Members<OutcomeEvent>;
    case 'command.inconsistent':
      return {
        ...subject(event),
        detail: free(event.detail),
      } satisfies Members<'command.inconsistent'>;
    case 'job.run-by-hand':
      return {
        ...request(event),
        job: short(event.job),
        detail: free(event.detail),
      } satisfies Members<'job.run-by-hand'>;
    case 'delivery.sent':
    case 'delivery.failed':
    case 'delivery.refused':
      return {
        deliveryId: short(event.deliveryId),
        webhook: short(event.webhook),
        about: short(event.about),
        commandId: optional(event.commandId, short),
        job: optional(event.job, short),
        whose: whose(event),
        attempts: event.attempts,
        detail: free(event.detail),
      } satisfies Members<'delivery.sent' | 'delivery.failed' | 'delivery.refused'>;
    case 'job.changed':
      return { job: short(event.job), detail: free(event.detail) } satisfies Members<'job.changed'>;
    case 'job.fired':
    case 'job.missed':
    case 'job.overlapped':
      return slot(event) satisfies Members<'job.fired' | 'job.missed' | 'job.overlapped'>;
    case 'job.failed':
    case 'job.suspended':
    default:
      return { ...slot(event), commandId: optional(event.commandId, short) } satisfies Members<
        'job.failed' | 'job.suspended'
      >;
  }
}

const clean = (text: string, limit: number): string => capText(escapeText(text), limit);
/** Text that somebody wrote: redacted before it is capped, so that no cut secret escapes the patterns. */
const free = (text: string): string => clean(redactText(text.slice(0, limits.text * 4)), limits.text);
const short = (text: string): string => clean(text, limits.short);
const optional = <T, R>(value: T | undefined, map: (value: T) => R): R | undefined =>
  value === undefined ? undefined : map(value);

const slot = (event: { readonly job: string; readonly slot: number; readonly detail: string }) => ({
  job: short(event.job),
  slot: new Date(event.slot).toISOString(),
  detail: free(event.detail),
});

const presented = ({ tid, oid, azp, uti, signature }: PresentedToken) => ({
  tid: optional(tid, short),
  oid: optional(oid, short),
  azp: optional(azp, short),
  uti: optional(uti, short),
  signature,
});

function request({ requestId, traceId, principal, requester, peer, claimed, cluster }: RequestFacts): RequestMembers {
  return {
    requestId: short(requestId),
    traceId,
    requester: optional(requester, ({ tid, oid, idtyp }) => ({ tid: short(tid), oid: short(oid), idtyp })),
    principal: optional(principal, ({ tid, oid, idtyp, azp, uti }) => ({
      tid: short(tid),
      oid: short(oid),
      idtyp,
      azp: short(azp),
      uti: short(uti),
    })),
    peer: optional(peer, short),
    claimed: optional(claimed, ({ requestedBy, ip, userAgent }) => ({
      requestedBy: optional(requestedBy, free),
      ip: optional(ip, short),
      userAgent: optional(userAgent, free),
    })),
    cluster: optional(cluster, ({ name, armId, runAs }) => ({ name: short(name), armId: clean(armId, 1024), runAs })),
  };
}

const subject = (event: CommandSubject & { readonly commandId: string }): SubjectMembers => ({
  commandId: short(event.commandId),
  whose: whose(event),
});

const outcome = ({ exitCode, timedOut, bytes, cut, stdout, failure }: OutcomeFacts, digest: Digest) => ({
  exitCode,
  timedOut,
  bytes,
  cut,
  stdoutHmac: optional(stdout, (output) => digest('stdout', output)),
  failure: optional(failure, ({ code, message }) => ({ code: short(code), message: free(message) })),
});

const whose = ({ whose: about }: CommandSubject): WhoseMembers =>
  optional(about, ({ principal, cluster }) => ({
    principal: { tid: short(principal.tid), oid: short(principal.oid) },
    cluster: { name: short(cluster.name) },
  }));

function command(
  { argv, attributes, memberships, requesterMemberships, reason, text, files, stdin }: CommandFacts,
  digest: Digest,
): CommandMembers {
  const { shown, hidden } = recordedWords(argv);
  return {
    argv: shown,
    data:
      hidden.length === 0
        ? undefined
        : hidden.map(({ word, text: data }) => ({
            word,
            bytes: Buffer.byteLength(data),
            hmac: digest('word', data),
          })),
    attributes: optional(attributes, (all) => all.slice(0, limits.attributes).map(attribute)),
    attributesCut: optional(attributes, (all) => more(all.length, limits.attributes)),
    memberships: optional(memberships, membershipsOf),
    requesterMemberships: optional(requesterMemberships, membershipsOf),
    reason: optional(reason, free),
    textHmac: optional(text, (value) => digest('text', value)),
    filesHmac: optional(files, (all) =>
      all.slice(0, limits.files).map(({ path, bytes }) => ({
        path: free(path),
        bytes: bytes.length,
        hmac: digest('file', bytes),
      })),
    ),
    filesCut: optional(files, (all) => more(all.length, limits.files)),
    stdinHmac: optional(stdin, (value) => digest('stdin', value)),
  };
}

const MEMBERSHIPS = 50;

function membershipsOf({ appRoles, groups, groupsUnknown }: Memberships) {
  if (appRoles.length + groups.length === 0 && !groupsUnknown) return undefined;
  const cut = (more(appRoles.length, MEMBERSHIPS) ?? 0) + (more(groups.length, MEMBERSHIPS) ?? 0);
  return {
    appRoles: appRoles.slice(0, MEMBERSHIPS).map(short),
    groups: groups.slice(0, MEMBERSHIPS).map(short),
    groupsUnknown: groupsUnknown ? (true as const) : undefined,
    cut: cut === 0 ? undefined : cut,
  };
}

const more = (count: number, limit: number): number | undefined => (count > limit ? count - limit : undefined);

interface RecordedWords {
  readonly shown: readonly string[];
  readonly hidden: readonly HiddenWord[];
}

/** A line that was not split is one word; a word with white space that is all there is was such a line. */
function readArgv(argv: readonly string[]): readonly RedactedWord[] {
  const [line] = argv;
  return redactWords(argv.length === 1 && line !== undefined ? line : argv);
}

function recordedWords(argv: readonly string[]): RecordedWords {
  const words = readArgv(argv);
  const shown: string[] = [];
  const hidden: HiddenWord[] = [];
  let room = limits.argvText;
  for (const { text, hidden: data } of words.slice(0, limits.argvWords)) {
    const word = clean(text, limits.word);
    room -= word.length;
    if (room < 0) break;
    if (data !== undefined) hidden.push({ word: shown.length, text: data });
    shown.push(word);
  }
  const left = words.length - shown.length;
  return { shown: left === 0 ? shown : [...shown, `…[+${left} words]`], hidden };
}

/** Shorter than this, a piece of data is in every text. */
const QUOTED_LENGTH = 4;
/** The form of a refusal (lib/refuse.ts): the word that it is about, and why. */
const refusedWord = /^"(?:[^"\\]|\\.)*"(?=:)/u;

/** What was said of a command, without its data: a refusal quotes the word that it is about, or a piece of it. */
function about(event: CommandFacts & { readonly detail: string }): string {
  const { shown, hidden } = recordedWords(event.argv);
  if (hidden.length === 0) return event.detail;
  const clear = JSON.stringify(shown);
  const quoted = event.detail.replace(refusedWord, (word) =>
    clear.includes(word.slice(1, -1)) ? word : `"${REDACTED}"`,
  );
  return hidden
    .filter(({ text }) => text.length >= QUOTED_LENGTH)
    .toSorted((a, b) => b.text.length - a.text.length)
    .reduce((left, { text }) => left.replaceAll(text, REDACTED), quoted);
}

const attribute = ({
  verb,
  group,
  resource,
  subresource,
  namespace,
  name,
}: ResourceAttributes): ResourceAttributes => ({
  verb: short(verb),
  group: short(group),
  resource: short(resource),
  subresource: short(subresource),
  namespace: short(namespace),
  name: short(name),
});
