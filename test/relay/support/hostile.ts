import * as fc from 'fast-check';

/** Answers of an Azure that is played by a hostile hand: every field missing, null, of another type, huge, odd, or another command's. */
export interface HostileAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** What becomes of it on the way: cut after half of the body, never answered, or the connection reset. */
  readonly way: 'whole' | 'cut' | 'silence' | 'reset';
}

/** Of the run that an answer is meant for; and of another one, which must never show. */
export interface Cast {
  readonly id: string;
  readonly otherId: string;
  /** What the launcher printed for this run, in frames. */
  readonly logs: string;
  readonly otherLogs: string;
}

const odd = fc.constantFrom<unknown>(
  undefined,
  null,
  '',
  0,
  false,
  true,
  -1,
  1.5,
  256,
  1e300,
  2 ** 53 + 1,
  [],
  {},
  [[[]]],
  'x'.repeat(100_000),
  '\u0000\ud800\u202e',
  '__proto__',
  { toString: 1 },
  '2026-11-27T20:00:00Z',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59Z',
  'Succeeded',
  'constructor',
);

const statuses = fc.constantFrom(
  200,
  200,
  200,
  200,
  202,
  202,
  202,
  201,
  204,
  206,
  301,
  302,
  307,
  400,
  401,
  403,
  404,
  408,
  409,
  410,
  413,
  418,
  429,
  500,
  502,
  503,
  504,
  599,
);

const types = fc.constantFrom(
  'application/json',
  'application/json',
  'application/json',
  'application/json; charset=utf-8',
  'application/json-seq',
  'text/html',
  'text/plain',
  'application/octet-stream',
  'application/jsonx',
  '',
);

const ways = fc.constantFrom<HostileAnswer['way']>(
  ...Array.from({ length: 12 }, () => 'whole' as const),
  'cut',
  'reset',
  'silence',
);

const headers = fc.record(
  {
    'retry-after': fc.constantFrom('1', '0', '-1', '1e9', '99999999999', 'Fri, 27 Nov 2026 20:00:00 GMT', 'x'),
    'x-ms-ratelimit-remaining-subscription-reads': fc.constantFrom('0', '11999', '-5', 'NaN', '1e99'),
    'x-ms-request-id': fc.constantFrom(
      '',
      'x'.repeat(5_000),
      '../../etc/passwd',
      '476c5642-0763-494c-a19c-24e67f15f66e',
    ),
    'x-ms-failure-cause': fc.constantFrom('gateway', 'service', ''),
    location: fc.constantFrom(
      'http://127.0.0.1:9/elsewhere',
      '//attacker.example/commandResults/00000000000000000000000000000000',
      '/commandResults/476c56420763494ca19c24e67f15f66e',
      'x'.repeat(5_000),
    ),
  },
  { requiredKeys: [] },
);

/** A body of its form with some of its members replaced. */
function bodyOf(cast: Cast): fc.Arbitrary<string> {
  const right = {
    provisioningState: fc.constantFrom('Succeeded', 'Succeeded', 'succeeded', 'Failed', 'Canceled', 'Running', 'Odd'),
    exitCode: fc.constantFrom(0, 7),
    startedAt: fc.constant('2026-11-27T20:00:00Z'),
    finishedAt: fc.constantFrom('2026-11-27T20:00:01Z', '2026-11-27T19:00:00Z'),
    logs: fc.constantFrom(
      cast.logs,
      cast.logs,
      cast.otherLogs,
      cast.logs + cast.otherLogs,
      cast.otherLogs + cast.logs,
      cast.logs.slice(40),
      cast.otherLogs.slice(40),
    ),
    reason: fc.constantFrom(undefined, 'ImagePullBackoff', 'x'.repeat(20_000)),
  };
  const either = <T>(one: fc.Arbitrary<T>) => fc.oneof({ weight: 6, arbitrary: one }, { weight: 1, arbitrary: odd });
  const properties = fc.record({
    provisioningState: either(right.provisioningState),
    exitCode: either(right.exitCode),
    startedAt: either(right.startedAt),
    finishedAt: either(right.finishedAt),
    logs: either(right.logs),
    reason: either(right.reason),
  });
  const result = fc
    .record({ id: either(fc.constantFrom(cast.id, cast.id, cast.id, cast.otherId)), properties: either(properties) })
    .map((value) => JSON.stringify(value) ?? '');
  const error = fc
    .record({
      error: either(
        fc.record({ code: either(fc.constant('AuthorizationFailed')), message: either(fc.constant('no')) }),
      ),
    })
    .map((value) => JSON.stringify(value) ?? '');
  const cluster = fc
    .record({
      id: either(fc.constant(cast.id)),
      properties: either(
        fc.record({
          provisioningState: either(fc.constant('Succeeded')),
          powerState: either(fc.record({ code: either(fc.constant('Running')) })),
          apiServerAccessProfile: either(fc.record({ disableRunCommand: either(fc.boolean()) })),
          aadProfile: either(fc.record({ managed: either(fc.boolean()) })),
        }),
      ),
    })
    .map((value) => JSON.stringify(value) ?? '');
  const noise = fc.constantFrom(
    '',
    '{',
    '[]',
    'null',
    '"x"',
    '0',
    '\u0000',
    '<html></html>',
    '{"id":'.repeat(5_000),
    'x'.repeat(50_000),
  );
  return fc.oneof(
    { weight: 6, arbitrary: result },
    { weight: 1, arbitrary: error },
    { weight: 1, arbitrary: cluster },
    { weight: 1, arbitrary: noise },
  );
}

export const hostileAnswer = (cast: Cast): fc.Arbitrary<HostileAnswer> =>
  fc
    .record({ status: statuses, headers, type: types, body: bodyOf(cast), way: ways })
    .map(({ type, headers, ...rest }) => ({
      ...rest,
      headers: { ...headers, ...(type !== '' && { 'content-type': type }) },
    }));
