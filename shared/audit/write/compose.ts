import type { ResourceAttributes } from '../../kubernetes/attributes.ts';
import type { JsonObject } from '../../lib/canonical-json.ts';
import type { AuditEvent, CommandFacts, CommandSubject, RequestFacts } from '../events.ts';
import { redactArgv, redactText } from '../../lib/redact.ts';
import type { CommandMembers, Members, RequestMembers, SubjectMembers } from '../schemas.ts';
import { capText, escapeText } from '../../lib/safe-text.ts';

/** Bounds of one line. With them a line stays well below the batch's 1 MiB, whatever a caller sends. */
const limits = { text: 2048, word: 1024, argvWords: 200, argvText: 16 * 1024, attributes: 256, files: 256, short: 256 };

/** Hex HMAC-SHA-256 under the stream's key; `label` keeps the kinds of data apart. */
export type Digest = (label: 'text' | 'file' | 'stdin' | 'stdout', data: string | Uint8Array) => string;

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
      return { ...request(event), problem: event.problem, detail: free(event.detail) } satisfies Members<'auth.failed'>;
    case 'principal.denied':
    case 'rate-limited':
    case 'audit.read':
      return { ...request(event), detail: free(event.detail) } satisfies Members<
        'principal.denied' | 'rate-limited' | 'audit.read'
      >;
    case 'command.refused':
      return {
        ...request(event),
        ...command(event, digest),
        problem: event.problem,
        detail: free(event.detail),
      } satisfies Members<'command.refused'>;
    case 'command.denied':
      return {
        ...request(event),
        ...command(event, digest),
        decision: event.decision,
        rule: optional(event.rule, short),
        policyDigest: short(event.policyDigest),
        detail: free(event.detail),
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
      } satisfies Members<'command.intended'>;
    case 'command.replayed':
    case 'result.read':
      return { ...request(event), commandId: short(event.commandId) } satisfies Members<
        'command.replayed' | 'result.read'
      >;
    case 'command.accepted':
      return {
        ...subject(event),
        azure: { commandId: short(event.azureCommandId), requestId: optional(event.azureRequestId, short) },
      } satisfies Members<'command.accepted'>;
    case 'command.rejected':
    case 'command.unknown':
    case 'command.completed':
    case 'command.failed':
    case 'command.interrupted':
      return {
        ...subject(event),
        outcome: {
          exitCode: event.exitCode,
          timedOut: event.timedOut,
          bytes: event.bytes,
          cut: event.cut,
          stdoutHmac: optional(event.stdout, (bytes) => digest('stdout', bytes)),
          failure: optional(event.failure, ({ code, message }) => ({ code: short(code), message: free(message) })),
        },
      } satisfies Members<
        'command.rejected' | 'command.unknown' | 'command.completed' | 'command.failed' | 'command.interrupted'
      >;
    case 'command.inconsistent':
      return {
        ...subject(event),
        detail: free(event.detail),
      } satisfies Members<'command.inconsistent'>;
    case 'job.fired':
    default:
      return { ...request(event), job: short(event.job) } satisfies Members<'job.fired'>;
  }
}

const clean = (text: string, limit: number): string => capText(escapeText(text), limit);
/** Text that somebody wrote: redacted before it is capped, so that no cut secret escapes the patterns. */
const free = (text: string): string => clean(redactText(text.slice(0, limits.text * 4)), limits.text);
const short = (text: string): string => clean(text, limits.short);
const optional = <T, R>(value: T | undefined, map: (value: T) => R): R | undefined =>
  value === undefined ? undefined : map(value);

function request({ requestId, principal, claimed, cluster }: RequestFacts): RequestMembers {
  return {
    requestId: short(requestId),
    principal: optional(principal, ({ tid, oid, idtyp, azp, uti }) => ({
      tid: short(tid),
      oid: short(oid),
      idtyp,
      azp: short(azp),
      uti: short(uti),
    })),
    claimed: optional(claimed, ({ requestedBy, ip, userAgent }) => ({
      requestedBy: optional(requestedBy, free),
      ip: optional(ip, short),
      userAgent: optional(userAgent, free),
    })),
    cluster: optional(cluster, ({ name, armId, runAs }) => ({ name: short(name), armId: clean(armId, 1024), runAs })),
  };
}

const subject = ({ commandId, whose }: CommandSubject & { readonly commandId: string }): SubjectMembers => ({
  commandId: short(commandId),
  whose: optional(whose, ({ principal, cluster }) => ({
    principal: { tid: short(principal.tid), oid: short(principal.oid) },
    cluster: { name: short(cluster.name) },
  })),
});

function command({ argv, attributes, reason, text, files, stdin }: CommandFacts, digest: Digest): CommandMembers {
  return {
    argv: words(argv),
    attributes: optional(attributes, (all) => all.slice(0, limits.attributes).map(attribute)),
    attributesCut: optional(attributes, (all) => more(all.length, limits.attributes)),
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

const more = (count: number, limit: number): number | undefined => (count > limit ? count - limit : undefined);

function words(argv: readonly string[]): readonly string[] {
  const kept: string[] = [];
  let room = limits.argvText;
  // Cut before they are redacted, so that hostile input costs no more than its bound; a flag and its value stay together in it.
  const all = redactArgv(
    argv.slice(0, limits.argvWords).map((word) => word.slice(0, limits.word * 4)),
    { settings: 'none' },
  );
  for (const word of all) {
    const short = clean(word, limits.word);
    room -= short.length;
    if (room < 0) break;
    kept.push(short);
  }
  return kept.length === argv.length ? kept : [...kept, `…[+${argv.length - kept.length} words]`];
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
