import { beforeAll, describe, expect, test } from '@jest/globals';
import { testStack } from '../support/stack.ts';
import { createFailures } from '../../shared/telemetry/sdk/failures.ts';
import { noTelemetry } from '../../shared/telemetry/no-telemetry.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { startReceiver } from './support/receiver.ts';

const GET = { argv: ['kubectl', 'get', 'deployments', '-n', 'shop'] };
const closedPort = 'http://127.0.0.1:9';

/** Far above what a command takes, far below what an export that hangs takes. */
const SOON_MS = 20_000;

const places = {
  'is not there': undefined,
  refuses: 'refuse',
  'never answers': 'hang',
  'breaks every connection': 'reset',
} as const;
type Place = keyof typeof places;

/** A gateway whose telemetry goes to such a place: two commands, and a stop. Side by side, since they mostly wait. */
async function commandsWith(place: Place) {
  const how = places[place];
  const receiver = how && (await startReceiver(how));
  const log: string[] = [];
  const stack = await testStack({
    jobs: false,
    edit: (yaml) => yaml.replace('\nstorage:', `\ntelemetry: { otlp: "${receiver?.url ?? closedPort}" }\nstorage:`),
    gateway: { logger: { level: 'warn', stream: { write: (line) => void log.push(line) } } },
  });
  const answers = await Promise.all([stack.command(GET), stack.command(GET)]);
  const metrics = await stack.request('GET', '/metrics');
  const began = performance.now();
  await stack.close();
  receiver?.close();
  return { statuses: answers.map(({ body }) => body.status), metrics, stopMs: performance.now() - began, log };
}

describe('where telemetry goes to a place that', () => {
  const ran = new Map<string, Awaited<ReturnType<typeof commandsWith>>>();
  beforeAll(async () => {
    const all = Object.keys(places) as Place[];
    await Promise.all(all.map(async (place) => ran.set(place, await commandsWith(place))));
  }, 90_000);

  test.each(Object.keys(places))(
    '%s, commands run, the gateway stops in time, and the log says that it is lost',
    (place) => {
      const { statuses, stopMs, log } = ran.get(place) ?? { statuses: [], stopMs: Infinity, log: [] };
      expect(statuses).toEqual(['completed', 'completed']);
      expect(stopMs).toBeLessThan(SOON_MS);
      // What answers is heard at once; for the others the stop does not wait.
      const told = log.filter((line) => /telemetry is being lost|the last telemetry could not be sent/.test(line));
      expect(told).toHaveLength(1);
      expect(log.join('')).not.toContain('unhandled');
    },
  );

  test('there is no /metrics where none is asked for', () => {
    expect(ran.get('refuses')?.metrics.body.code).toBe('route-not-found');
  });
});

describe('an export', () => {
  const results: unknown[] = [];
  const counted: unknown[] = [];
  const warnings: string[] = [];
  const clock = createManualClock();
  const failures = createFailures(clock, (warning) => void warnings.push(warning));
  failures.countTo({ ...noTelemetry, count: (name, labels) => void counted.push([name, labels]) });
  const send = (how: (done: (result: { code: number; error?: Error }) => void) => void | Promise<void>) =>
    failures
      .watch('traces', {
        export: (_items: never, done: (result: { code: number; error?: Error }) => void) => how(done),
      })
      .export(undefined as never, (result) => void results.push(result.code));

  test('that throws, rejects, fails or reports twice is one export that failed, told now and then without a secret', async () => {
    await send(() => {
      throw new Error(`thrown: Authorization: Bearer ${'eyJ'.padEnd(60, 'a')}.${'b'.repeat(40)}.${'c'.repeat(40)}`);
    });
    await send(() => Promise.reject(new Error('rejected')));
    await send((done) => done({ code: 1, error: new Error('failed') }));
    await send((done) => {
      done({ code: 1 });
      done({ code: 0 });
    });
    await send((done) => {
      done({ code: 0 });
      done({ code: 0 });
    });
    await new Promise(setImmediate);
    expect(results.toSorted((a, b) => Number(a) - Number(b))).toEqual([0, 1, 1, 1, 1]);
    expect(counted).toHaveLength(4);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).not.toContain('eyJaaaa');
    await clock.advance(10 * 60_000);
    await send((done) => done({ code: 1, error: new Error('again') }));
    expect(warnings).toHaveLength(2);
    expect(warnings[1]).toMatch(/4 exports have failed since the last message, the last of traces: again/);
  });
});
