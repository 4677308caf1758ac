import type { ProblemDocument } from '../../http/schemas.ts';

/** Whether an answer is one of an endpoint, and not of something that stands before it. */
export type Is = (answer: object) => boolean;

/**
 * Whether a record has reached its end. Any other status is waited on, also one that this wrapper does not know: a gateway that is newer has more
 * of them, and none of its ends.
 */
export const isFinal = (status: string): boolean => finalStatuses.has(status);
const finalStatuses: ReadonlySet<string> = new Set(['completed', 'failed', 'unknown']);

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isHealth = (answer: object): boolean =>
  typeof Reflect.get(answer, 'status') === 'string' &&
  isObject(Reflect.get(answer, 'parts')) &&
  Array.isArray(Reflect.get(answer, 'findings'));

export const isAnything = (): boolean => true;

const isOf = {
  text: (value: unknown) => typeof value === 'string',
  object: isObject,
  list: (value: unknown) => Array.isArray(value),
} as const;

/** An object with these members. */
export const has =
  (members: Readonly<Record<string, keyof typeof isOf>>): Is =>
  (answer) =>
    Object.entries(members).every(([name, kind]) => isOf[kind](Reflect.get(answer, name)));

/** Ids are opaque, but no gateway gives one that a shell or a terminal would act on. */
const isId = (id: unknown): boolean => typeof id === 'string' && /^[\w.~-]{1,200}$/.test(id);

const isStatus = (status: unknown): status is string =>
  typeof status === 'string' && /^[a-z][a-z-]{0,39}$/.test(status);

const areTexts = (values: unknown): boolean =>
  Array.isArray(values) && values.every((value) => typeof value === 'string');

const isEnding = (answer: object): boolean =>
  isId(Reflect.get(answer, 'id')) && isStatus(Reflect.get(answer, 'status'));

/** What an exit code of 0 is taken from: all of it has to be there. */
export const isRecord = (answer: unknown): boolean =>
  isObject(answer) &&
  isEnding(answer) &&
  isExitCode(Reflect.get(answer, 'exitCode') ?? 0) &&
  typeof Reflect.get(answer, 'stdout') === 'string' &&
  typeof Reflect.get(answer, 'stderr') === 'string' &&
  typeof Reflect.get(answer, 'truncated') === 'boolean' &&
  areTexts(Reflect.get(answer, 'warnings') ?? []) &&
  areTexts([Reflect.get(answer, 'stdoutBase64') ?? '', Reflect.get(answer, 'stderrBase64') ?? '']);

/** A batch that has ended has at least one step, and each is a record. */
export const isBatch = (answer: object): boolean => {
  const items: unknown = Reflect.get(answer, 'items');
  if (!isEnding(answer) || !Array.isArray(items) || !items.every(isRecord)) return false;
  return items.length > 0 || !isFinal(String(Reflect.get(answer, 'status')));
};

export const isExplanation = (answer: object): boolean => {
  const steps: unknown = Reflect.get(answer, 'steps');
  return (
    typeof Reflect.get(answer, 'allowed') === 'boolean' &&
    (Array.isArray(Reflect.get(answer, 'rules')) || (Array.isArray(steps) && steps.length > 0))
  );
};

export const isList = (answer: object): boolean => Array.isArray(Reflect.get(answer, 'items'));

export const isJob = (answer: object): boolean =>
  typeof Reflect.get(answer, 'name') === 'string' && Array.isArray(Reflect.get(answer, 'runs'));

/** An exit status is one byte (POSIX, exit()). */
const isExitCode = (code: unknown): boolean => Number.isInteger(code) && Number(code) >= 0 && Number(code) <= 255;

export const isProblem = (answer: object): answer is ProblemDocument =>
  typeof Reflect.get(answer, 'code') === 'string' && typeof Reflect.get(answer, 'detail') === 'string';
