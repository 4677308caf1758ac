import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../clock.ts';
import { Problem } from '../../errors.ts';
import { redactText } from '../../lib/redact.ts';
import { withDeadline } from '../../lib/abort.ts';
import { StorageUnavailable } from '../../store/append-log.ts';
import { json } from '../answers.ts';
import type { AppOptions } from '../options.ts';
import { HealthBody, ReadinessBody, type Readiness } from '../schemas.ts';

/** How long an answer of /readyz stands: strangers may ask it, and each asking writes to the stores. A bad one is looked at again soon. */
const READY_MS = 10_000;
const NOT_READY_MS = 2_000;
const TIMEOUT_MS = 5_000;

export async function healthRoutes(app: FastifyInstance, { checks, clock, version }: AppOptions): Promise<void> {
  app.get(
    '/healthz',
    {
      config: { public: true },
      schema: {
        operationId: 'getHealth',
        tags: ['service'],
        summary: 'The process is up',
        security: [],
        response: { 200: json('It is.', HealthBody) },
      },
    },
    async () => ({ status: 'ok', version }),
  );

  const readiness = createReadiness(checks, clock);
  app.get(
    '/readyz',
    {
      config: { public: true },
      schema: {
        operationId: 'getReadiness',
        tags: ['service'],
        summary: 'The dependencies answer',
        security: [],
        response: {
          200: json('All do, or one does less than it should (degraded).', ReadinessBody),
          503: json('Not all do.', ReadinessBody),
        },
      },
    },
    async (_request, reply) => {
      const answer = await readiness();
      return reply.code(answer.status === 'not-ready' ? 503 : 200).send(answer);
    },
  );
}

/** Asks all checks, at most so often; remembers for each how it last failed. */
function createReadiness(checks: AppOptions['checks'], clock: Clock): () => Promise<Readiness> {
  const failures: Record<string, Failure> = {};
  let last: { readonly at: number; answer: Promise<Readiness>; stands: number } | undefined;
  return async () => {
    const now = clock.monotonic();
    if (last && now - last.at <= last.stands) return last.answer;
    const asked = { at: now, answer: ask(checks, failures, clock), stands: READY_MS };
    last = asked;
    const answer = await asked.answer;
    if (answer.status === 'not-ready') asked.stands = NOT_READY_MS;
    return answer;
  };
}

type Failure = NonNullable<Readiness['lastFailures']>[string];

async function ask(checks: AppOptions['checks'], failures: Record<string, Failure>, clock: Clock): Promise<Readiness> {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      try {
        const state = await withDeadline(clock, TIMEOUT_MS, undefined, check);
        return [name, state ?? ('ok' as const)] as const;
      } catch (error) {
        failures[name] = { at: new Date(clock.now()).toISOString(), message: shownFailure(error) };
        return [name, 'failing' as const] as const;
      }
    }),
  );
  const states = results.map(([, state]) => state);
  // A gateway that lives by its last good configuration serves on: a restart would not bring it back.
  const degraded = states.includes('degraded') ? 'degraded' : 'ready';
  return {
    status: states.includes('failing') ? 'not-ready' : degraded,
    checks: Object.fromEntries(results),
    ...(Object.keys(failures).length > 0 && { lastFailures: { ...failures } }),
  };
}

/** The words of a store or a problem, which hold no address; of anything else nothing, since strangers may read it. */
const shownFailure = (error: unknown): string =>
  error instanceof StorageUnavailable || error instanceof Problem
    ? redactText(error.message).slice(0, 200)
    : 'gave no answer in time, or an unexpected one; the log says more';
