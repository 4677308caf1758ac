import { describe, expect, test } from '@jest/globals';
import { describeAttributes, type ResourceAttributes } from '../../shared/kubernetes/attributes.ts';
import { interpret } from '../../shared/command/interpret.ts';
import type { Invocation } from '../../shared/command/invocation.ts';
import { splitWords } from '../../shared/command/words.ts';
import { unasked, unsaid } from './compare.ts';
import { exceptions, type Exception } from './exceptions.ts';
import { cases, uploads } from './kubectl-cases.ts';
import { context } from './kubectl-cluster.ts';
import { readRecordings, readRequest, type RecordedRequest } from './recordings.ts';

/**
 * What we say a command asks for, held against what a real API server wrote down when real kubectls ran the words that we send: nothing
 * more was asked in any state by any version, and everything that we say was asked in some state by some version.
 */
const recordings = readRecordings();
const [whole] = recordings;
if (whole === undefined) throw new Error('There are no recordings');

const files = Object.entries(uploads).map(([path, text]) => ({ path, bytes: Buffer.from(text) }));
const byCommand = new Map(cases.map((one) => [one.command, one]));

function understand(command: string): Invocation {
  const stdin = byCommand.get(command)?.stdin;
  return interpret({ argv: splitWords(`kubectl ${command}`), files, stdin }, context);
}

/** The time that a command is given changes nothing of what it asks for. */
const untimed = (words: readonly string[]): string[] =>
  words.filter(
    (word) => !/^--(?:timeout|request-timeout|pod-running-timeout|skip-wait-for-delete-timeout)=/u.test(word),
  );

/** Every run of a command: by version and state. */
interface Run {
  readonly label: string;
  readonly requests: readonly RecordedRequest[];
}

const runs = new Map<string, Run[]>();
for (const { kubectl, commands } of recordings) {
  for (const { command, asked } of commands) {
    const found = Object.entries(asked).map(([state, requests]) => ({
      label: `kubectl ${kubectl}, ${state}`,
      requests: requests.map(readRequest),
    }));
    runs.set(command, [...(runs.get(command) ?? []), ...found]);
  }
}

test('the recordings say where they come from, and are many', () => {
  expect(recordings.map(({ differsFrom }) => differsFrom)).toEqual([
    undefined,
    ...recordings.slice(1).map(() => whole.kubectl),
  ]);
  for (const { recorded, server } of recordings) {
    expect(recorded).toMatch(/^20\d\d-\d\d-\d\d$/u);
    expect(server).toMatch(/^v1\.\d+\.\d+$/u);
  }
  expect(Object.keys(whole.states)).toEqual(
    expect.arrayContaining(['ready', 'absent', 'no namespace', 'no pods', 'stuck', 'forbidden']),
  );
  expect(whole.commands.length).toBeGreaterThanOrEqual(300);
  expect(whole.commands.filter(({ asked }) => Object.keys(asked).length < 4)).toEqual([]);
});

test('what changes an object that is there was recorded with another writer before it, and met the conflicts', () => {
  const writes = (requests: readonly string[] = []): boolean => requests.some((one) => /^(?:update|patch) /u.test(one));
  const contended = whole.commands.filter(({ asked }) => writes(asked['ready']));
  expect(contended.length).toBeGreaterThan(80);
  expect(contended.filter(({ asked }) => asked['contended'] === undefined)).toEqual([]);
  const inConflict = contended
    .filter(({ asked }) => asked['contended']?.some((one) => one.endsWith(' -> 409')))
    .map(({ command }) => command);
  expect(inConflict).toEqual(
    expect.arrayContaining([
      'diff -f web.yaml',
      'replace -f web.yaml',
      'scale deploy/web --replicas=3 --current-replicas=2',
      'certificate approve joining',
    ]),
  );
  // Written once more after the conflict: nothing but what was asked before.
  const scaled = whole.commands.find(({ command }) => command.includes('--current-replicas=2'))?.asked['contended'];
  expect(scaled?.slice(-2)).toEqual([
    'update deployments.apps/scale web in shop -> 409',
    'update deployments.apps/scale web in shop',
  ]);
});

test('every command of the suite was recorded, and no other', () => {
  expect(whole.commands.map(({ command }) => command)).toEqual(cases.map(({ command }) => command));
});

describe('what was recorded was asked by the words that are sent today', () => {
  test.each(recordings.map((one) => [one.kubectl, one] as const))('kubectl %s', (_version, { commands }) => {
    const stale = commands.filter(
      ({ command, sent }) => untimed(understand(command).sent.words).join('\n') !== untimed(sent).join('\n'),
    );
    // Record again: node test/conformance/record/record.ts
    expect(stale.map(({ command }) => command)).toEqual([]);
  });
});

test.each(recordings.map((one) => [one.kubectl, one] as const))(
  'kubectl %s asked for nothing that we do not say',
  (_version, { commands }) => {
    const more = commands.flatMap(({ command, asked }) =>
      Object.entries(asked).flatMap(([state, requests]) =>
        unsaid(understand(command).attributes, requests.map(readRequest)).map((what) => ({ command, state, what })),
      ),
    );
    expect(more).toEqual([]);
  },
);

const applies = ({ command, attribute }: Exception, asked: string, one: ResourceAttributes): boolean =>
  command.test(asked) && attribute.test(describeAttributes(one));

/** What we say of each command that was never asked for. */
const never = cases.flatMap(({ command }) => {
  const requests = (runs.get(command) ?? []).flatMap((one) => one.requests);
  return unasked(understand(command).attributes, requests).map((one) => ({ command, one }));
});

test('everything that we say was asked for by some kubectl in some state, but for the exceptions', () => {
  const surplus = never
    .filter(({ command, one }) => !exceptions.some((exception) => applies(exception, command, one)))
    .map(({ command, one }) => `${command}: ${describeAttributes(one)}`);
  expect(surplus).toEqual([]);
});

test.each(exceptions)('the exception for $attribute of $command is needed: $reason', (exception) => {
  const needed = never.filter(({ command, one }) => applies(exception, command, one));
  expect(needed).not.toEqual([]);
  // No other exception does without it.
  const others = exceptions.filter((one) => one !== exception);
  expect(needed.some(({ command, one }) => !others.some((other) => applies(other, command, one)))).toBe(true);
});
