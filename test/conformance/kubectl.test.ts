import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { cases } from './kubectl-cases.ts';
import { findVersions } from '../command/tools.ts';
import { openBench, PATIENCE_MS, type Bench } from './kubectl-run.ts';

/** Every third command with the newest kubectl, every seventy-fifth with the others; all with all of them by AKSGW_CONFORMANCE=all. */
const SAMPLE = { newest: 3, others: 75 };

const kubectls = findVersions('kubectl');
const newest = kubectls[0];
const everything = process.env['AKSGW_CONFORMANCE'] === 'all';

/**
 * Holds whatever kubectl is on the machine against an emulated API server in which everything is there. That everything we say is asked
 * for too is shown by what a real API server recorded (recordings.test.ts).
 */
test('the suite has at least 300 commands', () => {
  expect(new Set(cases.map(({ command }) => command)).size).toBeGreaterThanOrEqual(300);
});

const NONE = { version: '(skipped: no kubectl on this machine)', path: '' };

(newest === undefined ? describe.skip : describe).each(newest === undefined ? [NONE] : kubectls)(
  'kubectl $version asks for nothing that we did not say',
  (kubectl) => {
    let bench: Bench;
    beforeAll(async () => {
      bench = await openBench(kubectl);
    });
    afterAll(() => bench.close());

    const chosen = cases
      .filter((_, index) => everything || index % (kubectl === newest ? SAMPLE.newest : SAMPLE.others) === 0)
      .filter(({ since = '' }) => kubectl.version.localeCompare(since, 'en', { numeric: true }) >= 0);
    test.each(chosen.map((one) => ({ ...one, label: one.command.slice(0, 100) })))(
      'kubectl $label',
      async (one) => {
        expect(await bench.check(one)).toEqual([]);
      },
      PATIENCE_MS,
    );

    test(
      'get --raw asks for its path and for nothing else',
      async () => {
        for (const path of ['/readyz?verbose', '/livez', '/version']) {
          expect(await bench.check({ command: `get --raw '${path}'` })).toEqual([]);
          expect(bench.paths()).toEqual([`get ${path.replace('?verbose', '')}`]);
        }
      },
      PATIENCE_MS,
    );
  },
);
