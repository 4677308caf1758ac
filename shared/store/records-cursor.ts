import { Problem } from '../errors.ts';

/** The place after one record in a list of newest first. Opaque to callers, and checked when it comes back. */
interface Cursor {
  readonly submittedAt: number;
  readonly id: string;
}

const MAX_CURSOR_LENGTH = 512;

export const writeCursor = ({ submittedAt, id }: Cursor): string =>
  Buffer.from(JSON.stringify([submittedAt, id])).toString('base64url');

/** Throws Problem `request-invalid` for anything that writeCursor cannot have made. */
export function readCursor(text: string): Cursor {
  const refused = new Problem('request-invalid', 'The cursor is not one that this list gave.');
  if (text.length > MAX_CURSOR_LENGTH) throw refused;
  const value = parse(Buffer.from(text, 'base64url').toString());
  const [submittedAt, id, ...rest] = Array.isArray(value) ? value : [];
  if (!Number.isSafeInteger(submittedAt) || typeof id !== 'string' || rest.length > 0) throw refused;
  return { submittedAt, id };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
