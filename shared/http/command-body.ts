import type { RequestFile } from '../command/invocation.ts';
import { parseIdempotencyKey } from '../admission/idempotency.ts';
import { Problem } from '../errors.ts';
import type { RequestedCommand } from '../gateway/request.ts';
import { trimEnd } from '../lib/trim-end.ts';
import type { CommandInput } from './schemas.ts';

/** The body as the gateway takes it, files decoded. Throws Problem `request-invalid`. */
export function requestedCommand(cluster: string, body: CommandInput, keyHeader?: string): RequestedCommand {
  const key = parseIdempotencyKey(keyHeader);
  const { stdin, reason, requestedBy, timeoutSeconds } = body;
  return {
    cluster,
    command: commandOf(body),
    files: (body.files ?? []).map(fileOf),
    stdin,
    reason,
    requestedBy,
    timeoutSeconds,
    idempotency: key === undefined ? undefined : { key, body },
  };
}

function commandOf({ argv, command }: CommandInput): readonly string[] | string {
  if (argv !== undefined && command === undefined) return argv;
  if (command !== undefined && argv === undefined) return command;
  throw new Problem('request-invalid', 'The body has exactly one of argv and command.');
}

function fileOf({ path, content, contentBase64 }: NonNullable<CommandInput['files']>[number]): RequestFile {
  if ((content === undefined) === (contentBase64 === undefined)) {
    throw new Problem(
      'request-invalid',
      `The file ${JSON.stringify(path)} has exactly one of content and contentBase64.`,
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
