import type { FastifyInstance } from 'fastify';
import * as Type from 'typebox';
import type { Static } from 'typebox';
import { write } from '../../chat/message.ts';
import { acceptedProfile, type Profile } from '../../chat/profile.ts';
import type { Health } from '../../health/assess.ts';
import { healthLines } from '../../health/lines.ts';
import { partNames, type Part } from '../../health/status.ts';
import { prefixOf } from '../address.ts';
import { aboutACommand, aboutARun, Applied, problemsOf } from '../answers.ts';
import { disconnectSignal } from '../disconnect.ts';
import { authenticated } from '../identify.ts';
import type { AppOptions } from '../options.ts';
import { readPrefer } from '../prefer.ts';
import { ClusterHealthBody, type ClusterHealthOutput } from '../schemas.ts';
import { ClusterParams, WaitingHeaders, withRequester } from './running.ts';

/** kubernetes.io/docs/concepts/overview/working-with-objects/names, "RFC 1123 Label Names". */
const Namespace = Type.String({
  pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$',
  description: 'Narrows the look to one namespace.',
});
const HealthQuery = Type.Object({ namespace: Type.Optional(Namespace) }, { additionalProperties: false });

/** Until a look that has not ended may have: a pod needs that long to start. */
const RETRY_AFTER = 5;

export async function clusterHealthRoutes(app: FastifyInstance, { looks, clock, config }: AppOptions): Promise<void> {
  app.get<{ Params: Static<typeof ClusterParams>; Querystring: Static<typeof HealthQuery> }>(
    '/v1/clusters/:cluster/health',
    {
      ...withRequester,
      schema: {
        operationId: 'getClusterHealth',
        tags: ['clusters'],
        summary: 'One look at a cluster: what is well, what is not, and what the caller may not see',
        description:
          'All reads are one pod start, each judged as the caller: what it may not read is `not-allowed`, never `ok`. A look of the same ' +
          'caller that is less than 30 s old is shared.',
        params: ClusterParams,
        querystring: HealthQuery,
        headers: WaitingHeaders,
        response: {
          ...problemsOf(...aboutACommand, ...aboutARun),
          200: { ...described('The look.'), headers: Applied },
          202: {
            ...described('The look has not ended.'),
            headers: {
              ...Applied,
              Location: Type.String({ description: 'Where to ask again: here.' }),
              'Retry-After': Type.String({ description: 'Seconds.' }),
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { cluster } = request.params;
      const { namespace } = request.query;
      const prefer = readPrefer(request.headers.prefer);
      const wait = { ms: prefer.waitSeconds * 1_000, signal: disconnectSignal(reply) };
      request.handedOver = true;
      const { health } = await looks.look(authenticated(request), { cluster, namespace }, wait);
      if (prefer.applied) reply.header('preference-applied', prefer.applied);
      reply.header('cache-control', 'no-store');
      if (!health) {
        const query = namespace === undefined ? '' : `?namespace=${encodeURIComponent(namespace)}`;
        reply.code(202).header('retry-after', String(RETRY_AFTER));
        const path = `/v1/clusters/${encodeURIComponent(cluster)}/health${query}`;
        reply.header('location', `${prefixOf(config().publicUrl)}${path}`);
      }
      const profile = acceptedProfile(request.headers.accept);
      if (profile && health)
        return reply.type(`text/markdown; charset=utf-8; profile=${profile}`).send(healthMarkdown(health, profile));
      return reply.send(health ? healthBody(health) : running(cluster, namespace, clock.now()));
    },
  );
}

const described = (description: string) => ({
  description,
  content: { 'application/json': { schema: ClusterHealthBody }, 'text/markdown': { schema: Type.String() } },
});

const healthMarkdown = (health: Health, profile: Profile): string =>
  write(
    {
      outcome: `Health: ${health.status}`,
      facts: [health.cluster, health.namespace],
      body: { head: healthLines(health), tail: [], leftOut: 0 },
    },
    profile,
  );

const running = (cluster: string, namespace: string | undefined, now: number): ClusterHealthOutput => ({
  cluster,
  namespace: namespace ?? null,
  status: 'unknown',
  reason: 'The look has not ended; ask again.',
  at: new Date(now).toISOString(),
  parts: {},
  findings: [],
  more: 0,
  cut: false,
});

function healthBody(health: Health): ClusterHealthOutput {
  const { cluster, namespace, status, reason, at, parts, findings, more, cut } = health;
  return {
    cluster,
    namespace: namespace ?? null,
    status,
    reason,
    at: new Date(at).toISOString(),
    parts: Object.fromEntries(partNames.map((name) => [name, partBody(parts[name])])),
    findings: [...findings],
    more,
    cut,
  };
}

const partBody = ({ status, reason, checks, numbers }: Part) => ({ ...numbers, status, reason, checks: { ...checks } });
