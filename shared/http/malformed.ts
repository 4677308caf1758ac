import type { FastifySchemaValidationError } from 'fastify';
import { Problem } from '../errors.ts';
import { redactText } from '../lib/redact.ts';

const nameOf: Readonly<Record<string, string>> = { querystring: 'query', params: 'path', headers: 'header' };

/** What is wrong with a request's form, in words: the first thing found. `part` is fastify's name for where it stands. */
export function malformed(errors: readonly FastifySchemaValidationError[], part: string): Problem {
  const where = nameOf[part] ?? part;
  const unknown = errors.find(({ keyword }) => keyword === 'additionalProperties');
  const names = unknown?.params['additionalProperties'];
  if (unknown && Array.isArray(names)) {
    const later = names.find((name) => notBuiltYet.has(name));
    if (later !== undefined) return invalid(`${later} is not built yet: there are no approvals. Nothing was started.`);
    const inside = unknown.instancePath && ` in ${unknown.instancePath.slice(1)}`;
    return invalid(`There is no ${where} key ${names.join(', ')}${inside}.`);
  }
  const [first] = errors;
  const values = first?.params['allowedValues'];
  const must = Array.isArray(values) ? `must be one of ${values.join(', ')}` : (first?.message ?? 'is not valid');
  return invalid(`${where}${first?.instancePath ?? ''} ${must}.`);
}

/** Keys of the documented API that this version does not understand: never taken for a slip of the finger. */
const notBuiltYet: ReadonlySet<unknown> = new Set(['approvalId', 'breakGlass']);

const invalid = (detail: string): Problem => new Problem('request-invalid', redactText(detail.slice(0, 500)));
