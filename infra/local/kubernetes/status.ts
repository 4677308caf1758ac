import type { JsonObject } from './json.ts';

/** A `Status` that the API server answers instead of an object (kubernetes.io/docs/reference/generated API, Status v1 meta). */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly code: number;
  readonly reason: string;
  readonly details: JsonObject | undefined;

  constructor(code: number, reason: string, message: string, details?: JsonObject) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }
}

export const statusBody = (error: StatusError): JsonObject => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: error.message,
  reason: error.reason,
  ...(error.details && { details: error.details }),
  code: error.code,
});

const qualified = (resource: string, group: string): string => (group === '' ? resource : `${resource}.${group}`);

export const notFound = (resource: string, group: string, name: string): StatusError =>
  new StatusError(404, 'NotFound', `${qualified(resource, group)} "${name}" not found`, {
    name,
    ...(group && { group }),
    kind: resource,
  });

export const alreadyExists = (resource: string, group: string, name: string): StatusError =>
  new StatusError(409, 'AlreadyExists', `${qualified(resource, group)} "${name}" already exists`, {
    name,
    ...(group && { group }),
    kind: resource,
  });

export const conflict = (resource: string, group: string, name: string): StatusError =>
  new StatusError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(resource, group)} "${name}": the object has been modified; please apply your changes to the latest version and try again`,
    { name, ...(group && { group }), kind: resource },
  );

export const badRequest = (message: string): StatusError => new StatusError(400, 'BadRequest', message);

export const invalid = (kind: string, group: string, name: string, field: string, problem: string): StatusError =>
  new StatusError(422, 'Invalid', `${qualified(kind, group)} "${name}" is invalid: ${field}: ${problem}`, {
    name,
    ...(group && { group }),
    kind,
    causes: [{ reason: 'FieldValueInvalid', message: problem, field }],
  });

export const methodNotAllowed = (): StatusError =>
  new StatusError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource');

/** No route: kubectl prints "the server could not find the requested resource". */
export const noSuchResource = (): StatusError =>
  new StatusError(404, 'NotFound', 'the server could not find the requested resource');
