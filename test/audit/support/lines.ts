import { appendFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { Compile } from 'typebox/compile';
import { type EventName, eventCodes } from '../../../shared/audit/events.ts';
import { lineSchemas } from '../../../shared/audit/schemas.ts';

const validators = new Map([...lineSchemas].map(([name, schema]) => [name, Compile(schema)] as const));
const names = new Map(Object.entries(eventCodes).map(([name, code]) => [code as string, name as EventName]));

export const nameOf = ({ code }: Readonly<Record<string, unknown>>): EventName | undefined => names.get(String(code));

/** Why a line is not as its code's schema says; undefined when it is. */
export function explainLine(line: Readonly<Record<string, unknown>>): string | undefined {
  const name = nameOf(line);
  const validator = name && validators.get(name);
  if (!validator) return `no such code: ${String(line['code'])}`;
  if (validator.Check(line)) return undefined;
  const errors = [...validator.Errors(line)].map(({ instancePath, message }) => `${instancePath} ${message}`);
  return `${name}: ${errors.join('; ') || 'does not fit'}`;
}

/** What a crash in the middle of a write leaves at the end of the newest stream. */
export function tear(folder: string): void {
  const newest =
    readdirSync(folder)
      .filter((name) => name.endsWith('.jsonl'))
      .sort()
      .at(-1) ?? '';
  appendFileSync(path.join(folder, newest), '{"argv":["kub');
}
