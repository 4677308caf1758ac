import { describe, expect, test } from '@jest/globals';
import { describeAttributes } from '../../shared/kubernetes/attributes.ts';
import { covers } from './compare.ts';
import { helmCases, type HelmCase } from './helm-cases.ts';
import { helmExceptions } from './helm-exceptions.ts';
import { keepsRelease, readHelmRecordings, understandHelm, unsaidOfHelm } from './helm-recordings.ts';
import { readRequest, type RecordedRequest } from './recordings.ts';

/**
 * What we say a helm command asks for, held against what a real API server wrote down when real helms ran the words that we send. A
 * release is the Secrets that helm keeps it in; who may install it may do anything with what its chart holds.
 */
const recordings = readHelmRecordings();
const byCommand = new Map(helmCases.map((one) => [one.command, one]));

function caseOf(command: string): HelmCase {
  const found = byCommand.get(command);
  if (found === undefined) throw new Error(`There is no command ${command}`);
  return found;
}

/** Every run of a command, in any state and version. */
const requestsOf = (command: string): readonly RecordedRequest[] =>
  recordings.flatMap(({ commands }) =>
    commands
      .filter((one) => one.command === command)
      .flatMap(({ asked }) => Object.values(asked).flat().map(readRequest)),
  );

test('the recordings say where they come from, and are many', () => {
  expect(recordings.map(({ helm }) => helm)).toEqual(expect.arrayContaining(['3.22', '4.3']));
  for (const { recorded, server, states, commands } of recordings) {
    expect(recorded).toMatch(/^20\d\d-\d\d-\d\d$/u);
    expect(server).toMatch(/^v1\.\d+\.\d+$/u);
    expect(Object.keys(states)).toEqual(['absent', 'released', 'interrupted', 'no namespace', 'forbidden']);
    expect(commands.length).toBeGreaterThanOrEqual(60);
    expect(commands.filter(({ asked }) => Object.keys(asked).length < 5)).toEqual([]);
  }
});

test('every command of the suite was recorded, and no other', () => {
  const recorded = new Set(recordings.flatMap(({ commands }) => commands.map(({ command }) => command)));
  expect([...recorded].toSorted()).toEqual([...byCommand.keys()].toSorted());
});

describe.each(recordings.map((one) => [one.helm, one] as const))('helm %s', (_version, { commands }) => {
  test('was recorded with the words that are sent today', () => {
    const stale = commands.filter(
      ({ command, sent }) => understandHelm(caseOf(command)).sent.words.join('\n') !== sent.join('\n'),
    );
    // Record again: node test/conformance/record/record-helm.ts
    expect(stale.map(({ command }) => command)).toEqual([]);
  });

  test('asked for nothing that we do not say', () => {
    const more = commands.flatMap(({ command, asked }) => {
      const one = caseOf(command);
      const invocation = understandHelm(one);
      return Object.entries(asked).flatMap(([state, requests]) =>
        unsaidOfHelm(invocation, one.holds, requests.map(readRequest))
          .filter((what) => !helmExceptions.some((each) => each.command.test(command) && each.request.test(what)))
          .map((what) => ({ command, state, what })),
      );
    });
    expect(more).toEqual([]);
  });
});

test.each(helmExceptions)('the exception for $request of $command is needed: $reason', (exception) => {
  const needed = recordings.flatMap(({ commands }) =>
    commands
      .filter(({ command }) => exception.command.test(command))
      .flatMap(({ command, asked }) => {
        const one = caseOf(command);
        return Object.values(asked).flatMap((requests) =>
          unsaidOfHelm(understandHelm(one), one.holds, requests.map(readRequest)),
        );
      })
      .filter((what) => exception.request.test(what)),
  );
  expect(needed).not.toEqual([]);
});

/** What we ask for more than helm does. */
const stands = (command: string, text: string): boolean =>
  // It stands for what is printed: the release, with every secret of its chart.
  text === 'get secrets in shop' ||
  // A dry run never reduces what is needed.
  (command.includes('--dry-run') && text.startsWith('install releases')) ||
  // What is listed could be got.
  (command.includes('looks-up') && /^get \S+ in \S+/u.test(text));

test('everything that we say was asked for by some helm in some state', () => {
  const surplus = helmCases.flatMap(({ command, uploads }) => {
    const requests = requestsOf(command);
    return understandHelm({ command, uploads })
      .attributes.filter(
        (one) =>
          !requests.some(
            ({ asked }) => covers(one, asked) || (one.resource === 'releases' && keepsRelease(one, asked)),
          ),
      )
      .map(describeAttributes)
      .filter((text) => !stands(command, text))
      .map((text) => `${command}: ${text}`);
  });
  expect(surplus).toEqual([]);
});

test('what asks the cluster nothing is seen to ask it nothing', () => {
  for (const command of ['template web ./web', 'lint ./web', 'show values ./web', 'version', 'env HELM_NAMESPACE']) {
    expect({ command, requests: requestsOf(command) }).toEqual({ command, requests: [] });
  }
});
