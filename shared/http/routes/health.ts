import type { FastifyInstance } from 'fastify';
import { withDeadline } from '../../lib/abort.ts';
import { json } from '../answers.ts';
import type { AppOptions } from '../options.ts';
import { HealthBody, ReadinessBody, type Readiness } from '../schemas.ts';

/** How long an answer of /readyz stands: strangers may ask it, and each asking reaches the dependencies. */
const FRESH_MS = 2_000;
const TIMEOUT_MS = 5_000;

export async function healthRoutes(app: FastifyInstance, { checks, clock, version }: AppOptions): Promise<void> {
  app.get(
    '/healthz',
    {
      config: { public: true },
      schema: { summary: 'The process is up', security: [], response: { 200: json('It is.', HealthBody) } },
    },
    async () => ({ status: 'ok', version }),
  );

  let last: { at: number; answer: Promise<Readiness> } | undefined;
  app.get(
    '/readyz',
    {
      config: { public: true },
      schema: {
        summary: 'The dependencies answer',
        security: [],
        response: {
          200: json('All do, or one does less than it should (degraded).', ReadinessBody),
          503: json('Not all do.', ReadinessBody),
        },
      },
    },
    async (_request, reply) => {
      if (!last || clock.monotonic() - last.at > FRESH_MS)
        last = { at: clock.monotonic(), answer: readiness({ checks, clock }) };
      const answer = await last.answer;
      return reply.code(answer.status === 'not-ready' ? 503 : 200).send(answer);
    },
  );
}

async function readiness({ checks, clock }: Pick<AppOptions, 'checks' | 'clock'>): Promise<Readiness> {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      const state = await withDeadline(clock, TIMEOUT_MS, undefined, check).then(
        () => 'ok' as const,
        () => 'failing' as const,
      );
      return [name, state] as const;
    }),
  );
  return {
    status: results.every(([, state]) => state === 'ok') ? 'ready' : 'not-ready',
    checks: Object.fromEntries(results),
  };
}
