import type { FastifyInstance } from 'fastify';
import { Type, type Static } from 'typebox';
import { quoteWords } from '../../command/quote.ts';
import { explain, visibleClusters } from '../../policy/decide.ts';
import type { AppOptions } from '../app.ts';
import { ABOUT_A_COMMAND, json, problemsOf } from '../answers.ts';
import { callOf } from '../identify.ts';
import { orderOf } from '../command-body.ts';
import { ClusterBody, CommandBody, ExplainBody, ListBody, type CommandInput } from '../schemas.ts';

const ClusterParams = Type.Object({ cluster: Type.String({ minLength: 1, maxLength: 128 }) });

export async function clusterRoutes(app: FastifyInstance, { config, gateway }: AppOptions): Promise<void> {
  app.get(
    '/v1/clusters',
    {
      schema: {
        summary: 'The clusters on which the caller may do anything at all',
        response: { ...problemsOf(), 200: json('All of them.', ListBody(ClusterBody)) },
      },
    },
    async (request) => {
      const call = callOf(request);
      const policy = await gateway.admit(call);
      const items = visibleClusters(policy, call.caller.principal).flatMap((name) => {
        const cluster = config().clusters.get(name);
        return cluster
          ? [{ name, resourceId: cluster.arm.id, runAs: cluster.runAs, defaultNamespace: cluster.defaultNamespace }]
          : [];
      });
      return { items, next: null };
    },
  );

  app.post<{ Params: Static<typeof ClusterParams>; Body: CommandInput }>(
    '/v1/clusters/:cluster/explain',
    {
      schema: {
        summary: 'What a command would be, and whether policy allows it; runs nothing',
        params: ClusterParams,
        body: CommandBody,
        response: { ...problemsOf(...ABOUT_A_COMMAND), 200: json('What it would be.', ExplainBody) },
      },
    },
    async (request) => {
      const call = callOf(request);
      const order = orderOf(request.params.cluster, request.body);
      request.taken = true;
      const { cluster, invocation, decision, sent, policy } = await gateway.explain(call, order);
      const rule = decision.verdict === 'allow' ? decision : decision.rule;
      return {
        cluster: cluster.name,
        allowed: decision.verdict === 'allow',
        decision: {
          verdict: decision.verdict,
          role: rule?.role ?? null,
          rule: rule?.rule ?? null,
          reason: decision.verdict === 'allow' ? null : decision.reason,
          explanation:
            decision.verdict === 'allow' ? `Allowed by ${decision.role}/${decision.rule}.` : decision.explanation,
        },
        attributes: invocation.attributes,
        rules: explain(policy, {
          principal: call.caller.principal,
          cluster: cluster.name,
          attributes: invocation.attributes,
          reason: request.body.reason,
          podSecurity: invocation.podSecurity,
          charts: invocation.charts,
        }).attributes.map(({ attributes, verdict, rule }) => ({
          attributes,
          allowed: verdict === 'allow',
          role: rule?.role ?? null,
          rule: rule?.rule ?? null,
        })),
        command: sent.secret ? quoteWords(invocation.argv) : quoteWords(sent.words),
        files: sent.files.map(({ path, bytes }) => ({ path, bytes: bytes.length })),
        warnings: invocation.warnings,
      };
    },
  );
}
