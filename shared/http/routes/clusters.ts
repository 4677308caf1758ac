import type { FastifyInstance } from 'fastify';
import { Type, type Static } from 'typebox';
import { quoteWords } from '../../command/quote.ts';
import type { Cluster } from '../../config/config.ts';
import type { ExplainedCommand } from '../../gateway/explain-command.ts';
import { ruleName } from '../../config/rule-reference.ts';
import type { AppOptions } from '../options.ts';
import { ABOUT_A_COMMAND, json, problemsOf } from '../answers.ts';
import { authenticated } from '../identify.ts';
import { requestedCommand } from '../command-body.ts';
import { ClusterBody, CommandBody, ExplainBody, ListBody, type CommandInput } from '../schemas.ts';

const ClusterParams = Type.Object({ cluster: Type.String({ minLength: 1, maxLength: 128 }) });

export async function clusterRoutes(app: FastifyInstance, { gateway }: AppOptions): Promise<void> {
  app.get(
    '/v1/clusters',
    {
      schema: {
        summary: 'The clusters on which the caller may do anything at all',
        response: { ...problemsOf(), 200: json('All of them.', ListBody(ClusterBody)) },
      },
    },
    async (request) => {
      const clusters = await gateway.listClusters(authenticated(request));
      return { items: clusters.map(clusterBody), next: null };
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
      const requested = requestedCommand(request.params.cluster, request.body);
      request.handedOver = true;
      return explainBody(await gateway.explainCommand(authenticated(request), requested));
    },
  );
}

const clusterBody = ({ name, arm, runAs, defaultNamespace }: Cluster): Static<typeof ClusterBody> => ({
  name,
  resourceId: arm.id,
  runAs,
  defaultNamespace,
});

function explainBody(explained: ExplainedCommand): Static<typeof ExplainBody> {
  const { cluster, invocation, decision, sent, verdicts } = explained;
  const { verdict, rule } = decision;
  return {
    cluster: cluster.name,
    allowed: verdict === 'allow',
    decision: {
      verdict,
      role: rule?.role ?? null,
      rule: rule?.rule ?? null,
      reason: decision.verdict === 'allow' ? null : decision.reason,
      explanation: decision.verdict === 'allow' ? `Allowed by ${ruleName(decision.rule)}.` : decision.explanation,
    },
    attributes: [...invocation.attributes],
    rules: verdicts.map(({ attributes, verdict, rule }) => ({
      attributes,
      allowed: verdict === 'allow',
      role: rule?.role ?? null,
      rule: rule?.rule ?? null,
    })),
    // The caller's own data, and to the caller alone: no log and no audit event has this text.
    command: quoteWords(sent.words),
    files: sent.files.map(({ path, bytes }) => ({ path, bytes: bytes.length })),
    warnings: [...invocation.warnings],
  };
}
