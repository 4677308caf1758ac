import type { RequestFile } from '../command/invocation.ts';
import { parseIdempotencyKey } from '../admission/idempotency.ts';
import type { Profile } from '../chat/profile.ts';
import { Problem } from '../errors.ts';
import type { RequestedBatch, RequestedCommand } from '../gateway/request.ts';
import { trimEnd } from '../lib/trim-end.ts';
import type { BatchInput, CommandInput, ExplainInput } from './schemas.ts';

/** The body as the gateway takes it, files decoded. Throws Problem `request-invalid`. */
export function requestedCommand(
  cluster: string,
  body: CommandInput,
  keyHeader?: string,
  profile?: Profile,
): RequestedCommand {
  const { reason, requestedBy } = body;
  return {
    cluster,
    ...stepOf(body, profile),
    reason,
    requestedBy,
    notify: notifyOf(body),
    idempotency: keyed(body, keyHeader),
  };
}

/** The same for a batch. A Problem about one of its steps has its number as `step`. */
export function requestedBatch(
  cluster: string,
  body: BatchInput,
  keyHeader?: string,
  profile?: Profile,
): RequestedBatch {
  const { onError = 'stop', reason, requestedBy } = body;
  const steps = body.steps.map((step, index) => {
    try {
      return stepOf(step, profile);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      throw new Problem(error.code, error.message, { members: { step: index } });
    }
  });
  return { cluster, steps, onError, reason, requestedBy, notify: notifyOf(body), idempotency: keyed(body, keyHeader) };
}

/** What is to be explained: a batch where the body has steps. Throws Problem `request-invalid`. */
export function explained(
  cluster: string,
  { steps, onError = 'stop', ...body }: ExplainInput,
  profile?: Profile,
): { readonly command: RequestedCommand } | { readonly batch: RequestedBatch } {
  if (steps === undefined) return { command: requestedCommand(cluster, body, undefined, profile) };
  const { argv, command, files, stdin, timeoutSeconds, ...about } = body;
  if ([argv, command, files, stdin, timeoutSeconds].some((member) => member !== undefined))
    throw new Problem(
      'request-invalid',
      'A body with steps has argv, command, files, stdin and timeoutSeconds in the steps only.',
    );
  return { batch: requestedBatch(cluster, { steps, onError, ...about }, undefined, profile) };
}

const notifyOf = ({ notify }: Pick<CommandInput, 'notify'>): RequestedCommand['notify'] =>
  notify === undefined ? undefined : { webhook: notify, on: 'always' };

function keyed(body: unknown, header: string | undefined): RequestedCommand['idempotency'] {
  const key = parseIdempotencyKey(header);
  return key === undefined ? undefined : { key, body };
}

type StepInput = BatchInput['steps'][number];

function stepOf(body: StepInput, profile: Profile | undefined): RequestedBatch['steps'][number] {
  const { stdin, timeoutSeconds } = body;
  const fromSlack = profile === 'slack';
  return { command: commandOf(body), fromSlack, files: (body.files ?? []).map(fileOf), stdin, timeoutSeconds };
}

function commandOf({ argv, command }: StepInput): readonly string[] | string {
  if (argv !== undefined && command === undefined) return argv;
  if (command !== undefined && argv === undefined) return command;
  throw new Problem('request-invalid', 'The body needs exactly one of argv and command.');
}

function fileOf({ path, content, contentBase64 }: NonNullable<CommandInput['files']>[number]): RequestFile {
  if ((content === undefined) === (contentBase64 === undefined)) {
    throw new Problem(
      'request-invalid',
      `The file ${JSON.stringify(path)} needs exactly one of content and contentBase64.`,
    );
  }
  if (content !== undefined) return { path, bytes: Buffer.from(content, 'utf8') };
  const bytes = Buffer.from(contentBase64 ?? '', 'base64');
  // Buffer skips characters that are not Base64; text that does not encode to itself had some (RFC 4648, section 3.3).
  if (trimEnd(bytes.toString('base64'), '=') !== trimEnd(contentBase64 ?? '', '=')) {
    throw new Problem('request-invalid', `The file ${JSON.stringify(path)} has contentBase64 that is not Base64.`);
  }
  return { path, bytes };
}
