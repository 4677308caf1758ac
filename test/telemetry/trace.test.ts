import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createNoopMeter, SpanKind } from '@opentelemetry/api';
import { request } from 'node:http';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { createTelemetry } from '../../shared/telemetry/create.ts';
import { spans as names } from '../../shared/telemetry/spans.ts';
import { testStack, type TestStack } from '../support/stack.ts';

const exported = new InMemorySpanExporter();
const tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exported)] });
const telemetry = createTelemetry({ meter: createNoopMeter(), tracer: tracers.getTracer('test') });

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';
const RESTART = { argv: ['kubectl', 'rollout', 'restart', 'deployment/web', '-n', 'shop'] };

let stack: TestStack;
beforeAll(async () => {
  const openTelemetry = async () => ({ telemetry, close: async () => undefined });
  stack = await testStack({ jobs: false, gateway: { openTelemetry } });
}, 60_000);
afterAll(() => stack.close());

/** A command, and the trace that its answer ended with. */
async function traced(traceparent: string | undefined, body: unknown = RESTART) {
  exported.reset();
  const headers = traceparent === undefined ? {} : { traceparent, tracestate: 'vendor=hunter2' };
  const { body: answer } = await stack.command(body, { headers });
  for (let each = 0; each < 100 && !exported.getFinishedSpans().some(({ kind }) => kind === SpanKind.SERVER); each += 1)
    await new Promise(setImmediate); // the request ends just after its answer
  return { answer, spans: exported.getFinishedSpans() };
}

const eventsOf = async (command: string) => {
  const path = `/v1/audit/events?command=${command}&limit=100`;
  const { body } = await stack.request<{ items: Record<string, unknown>[] }>('GET', path, {
    token: stack.tokens.auditor,
  });
  return body.items.map((item) => ({ ...item, ...(item['event'] as object | undefined) }));
};

describe('a command', () => {
  test('is one trace through all rooms, in their order, below the span of its caller', async () => {
    const { answer, spans } = await traced(`00-${TRACE}-${CALLER}-01`);
    expect(answer.status).toBe('completed');
    expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([TRACE]));
    const server = spans.find(({ kind }) => kind === SpanKind.SERVER);
    expect(server?.name).toBe('POST /v1/clusters/:cluster/commands');
    expect(server?.parentSpanContext).toMatchObject({ spanId: CALLER, isRemote: true });
    const rooms = spans.filter((span) => span !== server);
    const above = new Map(rooms.map((room) => [room.spanContext().spanId, room.parentSpanContext?.spanId]));
    for (let at of above.keys()) {
      // What is asked again before the POST is part of the relay's step.
      for (let up = above.get(at); up !== undefined; up = above.get(at)) at = up;
      expect(at).toBe(server?.spanContext().spanId);
    }
    const nanos = ([seconds, nanos]: readonly [number, number]) => seconds * 1e9 + nanos;
    const inOrder = rooms.toSorted((a, b) => nanos(a.startTime) - nanos(b.startTime)).map(({ name }) => name);
    const once = inOrder.filter((name, at) => inOrder.indexOf(name) === at);
    expect(once).toEqual(Object.keys(names).filter((name) => name !== 'job'));
    expect(server?.attributes).toMatchObject({
      'http.route': '/v1/clusters/:cluster/commands',
      'http.response.status_code': 200,
    });
    expect(rooms.find(({ name }) => name === 'outcome')?.attributes).toMatchObject({
      'aksgw.cluster': 'demo',
      'aksgw.command.id': answer.id,
      'aksgw.outcome': 'completed',
    });
  });

  test('is one trace also where its body comes long after its head', async () => {
    exported.reset();
    const body = JSON.stringify(RESTART);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${stack.tokens.user}`,
        'content-type': 'application/json',
        'content-length': String(body.length),
        traceparent: `00-${TRACE}-${CALLER}-01`,
      };
      const sending = request(`${stack.url}/v1/clusters/demo/commands`, { method: 'POST', headers }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode));
      });
      sending.once('error', reject).flushHeaders();
      const sendBody = (): void => {
        if (exported.getFinishedSpans().some(({ name }) => name === 'identity')) sending.end(body);
        else setImmediate(sendBody);
      };
      sendBody();
    });
    expect(status).toBe(200);
    const names = exported.getFinishedSpans().map(({ name }) => name);
    for (const room of ['command', 'intent', 'relay', 'outcome']) expect(names).toContain(room);
  });

  test('has its trace in its intent, so that who reads one finds the other', async () => {
    const { answer } = await traced(`00-${TRACE}-${CALLER}-01`);
    const intent = (await eventsOf(answer.id)).find(({ code }) => code === 'AKG300I');
    expect(intent?.['traceId']).toBe(TRACE);
  });

  test('is traced though its caller keeps nothing of the trace, and by a trace of its own where it names none', async () => {
    const unsampled = await traced(`00-${TRACE}-${CALLER}-00`);
    expect(unsampled.spans.length).toBeGreaterThan(8);
    for (const malformed of [undefined, `00-${'0'.repeat(32)}-${CALLER}-01`, `ff-${TRACE}-${CALLER}-01`, 'hunter2']) {
      const { answer, spans } = await traced(malformed);
      const [own = ''] = new Set(spans.map((span) => span.spanContext().traceId));
      expect(own).toMatch(/^[0-9a-f]{32}$/);
      expect(own).not.toBe(TRACE);
      expect((await eventsOf(answer.id)).find(({ code }) => code === 'AKG300I')?.['traceId']).toBe(own);
    }
  });

  test('that is denied or refused ends in the room that said no, with the code of its problem', async () => {
    const denied = await traced(undefined, { argv: ['kubectl', 'get', 'pods', '-n', 'kube-system'] });
    expect(denied.answer.code).toBe('policy-denied');
    expect(denied.spans.map(({ name }) => name)).toEqual([
      'identity',
      'admission',
      'command',
      'policy',
      expect.any(String),
    ]);
    expect(denied.spans.at(-1)?.attributes).toMatchObject({ 'error.type': 'policy-denied' });
    const refused = await traced(undefined, { argv: ['kubectl', 'hunter2'] });
    expect(refused.spans.find(({ name }) => name === 'command')?.attributes).toEqual({
      'error.type': 'command-refused',
    });
  });

  test('leaves no word of its caller in a span', async () => {
    const body = { ...RESTART, reason: 'hunter2', requestedBy: 'hunter2' };
    const { spans } = await traced(`00-${TRACE}-${CALLER}-01`, body);
    const told = spans.map((span) => {
      const { name, attributes, events, status, parentSpanContext } = span;
      return JSON.stringify([name, attributes, events, status, span.spanContext(), parentSpanContext]);
    });
    expect(told.join('')).not.toContain('hunter2');
  });
});

test('two commands at once do not mix their traces', async () => {
  exported.reset();
  const ids = Array.from({ length: 4 }, (_, index) => `${index}`.repeat(32).replace(/^0/, '1'));
  await Promise.all(ids.map((id) => stack.command(RESTART, { headers: { traceparent: `00-${id}-${CALLER}-01` } })));
  for (const id of ids) {
    const spans = exported.getFinishedSpans().filter((span) => span.spanContext().traceId === id);
    expect(spans.filter(({ name }) => name === 'outcome')).toHaveLength(1);
    expect(spans.filter(({ name }) => name === 'intent')).toHaveLength(1);
  }
});
