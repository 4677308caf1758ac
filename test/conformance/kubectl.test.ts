import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { cases } from './kubectl-cases.ts';
import { findKubectls, openBench, type Bench } from './kubectl-run.ts';

/** Every command with the newest kubectl; with the others every tenth, or all of them with AKSGW_CONFORMANCE=all. */
const SAMPLE = 10;

const kubectls = findKubectls(process.env);
const newest = kubectls.at(-1);
const everything = process.env['AKSGW_CONFORMANCE'] === 'all';

test('the suite has at least 300 commands', () => {
  expect(new Set(cases.map(({ command }) => command)).size).toBeGreaterThanOrEqual(300);
});

const NONE = { version: '(skipped: no kubectl on this machine)', path: '' };

(newest === undefined ? describe.skip : describe).each(newest === undefined ? [NONE] : kubectls)(
  'what we say is what kubectl $version asks for',
  (kubectl) => {
    let bench: Bench;
    beforeAll(async () => {
      bench = await openBench(kubectl);
    });
    afterAll(() => bench.close());

    const chosen = cases
      .filter((_, index) => everything || kubectl === newest || index % SAMPLE === 0)
      .filter(({ since = '' }) => kubectl.version >= since);
    test.each(chosen.map((one) => ({ ...one, label: one.command.slice(0, 100) })))('kubectl $label', async (one) => {
      expect(await bench.check(one)).toEqual([]);
    });
  },
);
