import { describe, expect, test } from '@jest/globals';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { BasicTracerProvider, type ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { SpanQueue, type Loss } from '../../shared/telemetry/sdk/span-queue.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { testStack } from '../support/stack.ts';
import { readPrometheus } from './support/prometheus.ts';
import { startReceiver } from './support/receiver.ts';

function queue(most = 10_000) {
  const clock = createManualClock();
  const passed: ReadableSpan[] = [];
  const lost = new Map<Loss, number>();
  const spans = new SpanQueue({
    next: {
      onStart: () => undefined,
      onEnd: (span) => void passed.push(span),
      forceFlush: async () => undefined,
      shutdown: async () => undefined,
    },
    most,
    clock,
    lost: (why, count) => void lost.set(why, (lost.get(why) ?? 0) + count),
  });
  const tracer = new BasicTracerProvider({ spanProcessors: [spans] }).getTracer('test');
  const request = () => {
    const server = tracer.startSpan('request', { kind: SpanKind.SERVER }, ROOT_CONTEXT);
    const within = trace.setSpan(ROOT_CONTEXT, server);
    return { server, step: (name: string) => tracer.startSpan(name, {}, within) };
  };
  /** As the gateway does it: the token is no good, and the request ends. */
  const stranger = (): void => {
    const { server, step } = request();
    step('identity').setStatus({ code: SpanStatusCode.ERROR }).end();
    server.end();
  };
  return { clock, spans, passed, lost, request, stranger, names: () => passed.map(({ name }) => name) };
}

describe('a flood of requests of nobody known', () => {
  test('is traced at a rate, whole requests and no parts, and the rest is counted', async () => {
    const { clock, passed, lost, stranger } = queue();
    for (let each = 0; each < 1_000; each += 1) stranger();
    expect(passed.length).toBe(2 * 60);
    expect(lost.get('unauthenticated')).toBe(2 * 940);
    const traces = new Set(passed.map((span) => span.spanContext().traceId));
    expect(traces.size).toBe(60);
    await clock.advance(10_000);
    for (let each = 0; each < 1_000; each += 1) stranger();
    expect(passed.length).toBe(2 * 70);
  });

  test('takes nothing from those who are known: each of their spans goes on as it ends, from identity on', () => {
    const { stranger, request, names, passed } = queue();
    for (let each = 0; each < 100; each += 1) stranger();
    const before = passed.length;
    const { server, step } = request();
    const identity = step('identity');
    expect(passed.length).toBe(before);
    identity.end();
    const follow = step('follow');
    step('intent').end();
    expect(names().slice(before)).toEqual(['identity', 'intent']);
    server.end();
    follow.end(); // what goes on behind the answer
    expect(names().slice(before)).toEqual(['identity', 'intent', 'request', 'follow']);
  });

  test('of a token that was good at first, another person’s token that is not makes no stranger', () => {
    const { stranger, request, names, passed } = queue();
    for (let each = 0; each < 100; each += 1) stranger();
    const before = passed.length;
    const { server, step } = request();
    step('identity').end();
    step('identity').setStatus({ code: SpanStatusCode.ERROR }).end();
    server.end();
    expect(names().slice(before)).toEqual(['identity', 'identity', 'request']);
  });
});

test('spans that find no place are counted, until some have been sent', () => {
  const { spans, passed, lost, request } = queue(10);
  const send = (count: number): void => {
    const { step } = request();
    for (let each = 0; each < count; each += 1) step('identity').end();
  };
  send(25);
  expect([passed.length, lost.get('queue-full')]).toEqual([10, 15]);
  spans.taken(4);
  send(5);
  expect([passed.length, lost.get('queue-full')]).toEqual([14, 16]);
});

test('a gateway that is flooded tells in its metrics what its traces leave out', async () => {
  const receiver = await startReceiver();
  const SCRAPER = '88888888-8888-4888-8888-888888888888';
  const stack = await testStack({
    jobs: false,
    edit: (yaml) =>
      yaml
        .replace('\nstorage:', `\ntelemetry: { prometheus: true, otlp: "${receiver.url}" }\nstorage:`)
        .replace("'/v1/commands/*']", "'/v1/commands/*', /metrics]")
        .replace(
          '  bindings:\n',
          `  bindings:\n    - { role: auditor, clusters: ['*'], subjects: [{ user: ${SCRAPER} }] }\n`,
        ),
  });
  try {
    const GET = { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] };
    const flood = await Promise.all(
      Array.from({ length: 150 }, (_, at) => stack.command(GET, { token: at % 2 === 0 ? null : 'e30.e30.x' })),
    );
    expect(new Set(flood.map(({ status }) => status))).toEqual(new Set([401]));
    expect((await stack.command(GET)).body.status).toBe('completed');
    const token = await stack.azure.entra.userToken({ oid: SCRAPER });
    const metrics = readPrometheus((await stack.request('GET', '/metrics', { token })).text);
    const dropped = metrics.get('aksgw_telemetry_dropped_total{why=unauthenticated}') ?? 0;
    expect([...metrics].filter(([name]) => name.startsWith('aksgw_unauthenticated'))).toEqual([
      ['aksgw_unauthenticated_total{code=token-missing}', 75],
      ['aksgw_unauthenticated_total{code=token-invalid}', 75],
    ]);
    await stack.close(); // sends what is left
    const requests = receiver.spans().filter(({ name }) => name.startsWith('POST '));
    const strangers = requests.filter(({ attributes }) => String(attributes['http.response.status_code']) === '401');
    expect(strangers.length).toBeGreaterThan(0);
    expect(strangers.length).toBeLessThanOrEqual(60 + 30); // a slow minute's worth more
    expect(requests.length).toBe(strangers.length + 1);
    expect(dropped).toBe(2 * (150 - strangers.length));
  } finally {
    await stack.close();
    receiver.close();
  }
}, 60_000);
