import type { FastifyInstance } from 'fastify';
import * as Type from 'typebox';
import type { Static } from 'typebox';
import { quoteWords } from '../../command/quote.ts';
import type { Cluster } from '../../config/config.ts';
import type { ExtraResource } from '../../kubernetes/extra-resource.ts';
import type { ExplainedCommand } from '../../gateway/explain-command.ts';
import type { Standing } from '../../gateway/who-am-i.ts';
import { ruleName } from '../../config/rule-reference.ts';
import type { AppOptions } from '../options.ts';
import { aboutACommand, json, jsonOrMessage, problemsOf } from '../answers.ts';
import { explainBatchMessage, explainMessage } from '../../chat/messages.ts';
import { authenticated } from '../identify.ts';
import { profileOf, sendMessage } from '../markdown.ts';
import { explained } from '../command-body.ts';
import { RequesterHeaders, withRequester } from './running.ts';
import {
  AccessBody,
  WhoAmIBody,
  ClusterBody,
  ClusterDetailBody,
  ExplainBatchBody,
  ExplainBody,
  ExplainInputBody,
  ListBody,
  type ExplainInput,
} from '../schemas.ts';

const ClusterParams = Type.Object({ cluster: Type.String({ minLength: 1, maxLength: 128 }) });

export async function clusterRoutes(app: FastifyInstance, { gateway }: AppOptions): Promise<void> {
  app.get(
    '/v1/clusters',
    {
      ...withRequester,
      schema: {
        operationId: 'listClusters',
        tags: ['clusters'],
        summary: 'The clusters on which the caller may do anything at all',
        headers: RequesterHeaders,
        response: { ...problemsOf(), 200: json('All of them.', ListBody(ClusterBody)) },
      },
    },
    async (request) => {
      const clusters = await gateway.listClusters(authenticated(request));
      return { items: clusters.map(clusterBody), next: null };
    },
  );

  app.get<{ Params: Static<typeof ClusterParams> }>(
    '/v1/clusters/:cluster',
    {
      ...withRequester,
      schema: {
        operationId: 'getCluster',
        tags: ['clusters'],
        summary: 'A cluster, the custom resources known there, and the versions of its tools',
        params: ClusterParams,
        headers: RequesterHeaders,
        response: { ...problemsOf('cluster-not-found'), 200: json('The cluster.', ClusterDetailBody) },
      },
    },
    async (request) => {
      const { cluster, discovered, tools } = await gateway.readCluster(authenticated(request), request.params.cluster);
      return {
        ...clusterBody(cluster),
        resources: {
          listed: cluster.resources.map(resourceBody),
          discovered: discovered
            ? {
                at: new Date(discovered.at).toISOString(),
                items: discovered.resources.map(resourceBody),
                disputed: [...discovered.disputed],
                truncated: discovered.cut,
              }
            : null,
        },
        tools: { kubectl: tools?.kubectl ?? null, helm: tools?.helm ?? null },
      };
    },
  );

  app.get(
    '/v1/whoami',
    {
      ...withRequester,
      schema: {
        operationId: 'whoAmI',
        tags: ['callers'],
        summary:
          'The caller as the gateway sees it, its roles, and what could not be known; so too the person behind it',
        headers: RequesterHeaders,
        response: { ...problemsOf(), 200: json('The caller.', WhoAmIBody) },
      },
    },
    async (request) => {
      const { caller, requester } = await gateway.whoAmI(authenticated(request));
      return { ...standingBody(caller), ...(requester && { requester: standingBody(requester) }) };
    },
  );

  app.get<{ Params: Static<typeof ClusterParams> }>(
    '/v1/clusters/:cluster/access',
    {
      ...withRequester,
      schema: {
        operationId: 'getAccess',
        tags: ['callers'],
        summary: 'The rules that bind the caller on a cluster, and those that bind the person behind it',
        params: ClusterParams,
        headers: RequesterHeaders,
        response: { ...problemsOf('cluster-not-found'), 200: json('All of them.', AccessBody) },
      },
    },
    async (request) => {
      const { cluster } = request.params;
      const { rules, warnings } = await gateway.listAccess(authenticated(request), cluster);
      return {
        cluster,
        items: rules.map(({ binds, role, effect, rule, says }) => ({
          ...(binds && { binds }),
          role,
          effect,
          rule,
          verbs: says.verbs ?? ['*'],
          resources: says.resources ?? [],
          except: says.except ?? [],
          namespaces: says.namespaces ?? (says.nonResourceURLs ? [] : ['*']),
          names: says.names ?? [],
          nonResourceURLs: says.nonResourceURLs ?? [],
        })),
        next: null,
        warnings,
      };
    },
  );

  app.post<{ Params: Static<typeof ClusterParams>; Body: ExplainInput }>(
    '/v1/clusters/:cluster/explain',
    {
      ...withRequester,
      schema: {
        operationId: 'explainCommand',
        tags: ['commands'],
        summary: 'What a command or batch would be, and whether policy allows it; runs nothing',
        params: ClusterParams,
        body: ExplainInputBody,
        headers: RequesterHeaders,
        response: {
          ...problemsOf(...aboutACommand),
          200: jsonOrMessage('What it would be; a batch has its steps.', Type.Union([ExplainBody, ExplainBatchBody])),
        },
      },
    },
    async (request, reply) => {
      const profile = profileOf(request);
      const asked = explained(request.params.cluster, request.body, profile);
      request.handedOver = true;
      if ('command' in asked) {
        const one = await gateway.explainCommand(authenticated(request), asked.command);
        return profile ? sendMessage(reply, explainMessage(one), profile) : explainBody(one);
      }
      const all = await gateway.explainBatch(authenticated(request), asked.batch);
      if (profile) return sendMessage(reply, explainBatchMessage(all), profile);
      const steps = all.map(explainBody);
      return { cluster: steps[0]?.cluster, allowed: steps.every(({ allowed }) => allowed), steps };
    },
  );
}

function standingBody({ principal, roles, unknown }: Standing) {
  const { kind, tid, oid, azp, roles: appRoles, groups } = principal;
  const scopes = principal.kind === 'user' ? principal.scopes : [];
  return { principal: { kind, tid, oid, azp, appRoles, groups: groups.ids, scopes }, roles, unknown };
}

const clusterBody = ({ name, arm, runAs, defaultNamespace, frozen }: Cluster): Static<typeof ClusterBody> => ({
  name,
  resourceId: arm.id,
  runAs,
  defaultNamespace,
  ...(frozen !== undefined && { frozen }),
});

const resourceBody = ({ resource, group, kind, version, namespaced, shortNames }: ExtraResource) => ({
  name: `${resource}.${group}`,
  kind,
  version,
  namespaced,
  shortNames: [...shortNames],
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
