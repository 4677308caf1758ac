import type { FastifyInstance } from 'fastify';
import * as Type from 'typebox';
import { METRICS_PATH } from '../../gateway/read-metrics.ts';
import { problemsOf } from '../answers.ts';
import { authenticated } from '../identify.ts';
import type { AppOptions } from '../options.ts';

/** The text format of Prometheus (prometheus.io/docs/instrumenting/exposition_formats). */
const TEXT = 'text/plain; version=0.0.4; charset=utf-8';

/** Every series is read. */
const READING_COST = 5;

/** Metrics, where the configuration says `telemetry: { prometheus: true }`; elsewhere there is no such address. */
export async function metricsRoutes(app: FastifyInstance, { gateway, prometheus }: AppOptions): Promise<void> {
  if (!prometheus) return;
  app.get(
    METRICS_PATH,
    {
      config: { cost: READING_COST },
      schema: {
        operationId: 'getMetrics',
        tags: ['service'],
        summary: "The gateway's metrics, as Prometheus reads them",
        description: 'For callers with a rule that has nonResourceURLs covering /metrics, bound on clusters ["*"].',
        response: {
          ...problemsOf(),
          200: { description: 'The metrics.', content: { 'text/plain': { schema: Type.String() } } },
        },
      },
    },
    async (request, reply) => {
      await gateway.admitToMetrics(authenticated(request));
      return reply.type(TEXT).send(await prometheus());
    },
  );
}
