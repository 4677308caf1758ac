import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody, send, wrongRequest, type Answer } from './answers.ts';
import { asAsked, endpoints, subscription, subscriptionList, tenantList } from './cloud.ts';
import type { ArmContext } from './context.ts';
import { post } from './post.ts';
import { poll, view } from './read.ts';
import { armError, routeOf, wholeSeconds } from './wire.ts';

/** Answers one request; never rejects. */
export async function answer(context: ArmContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const requestId = randomUUID();
    const answer = await respond(context, request, requestId);
    if (answer === 'reset') {
      request.socket.destroy();
      return;
    }
    const headers = { ...standardHeaders(context, requestId), ...answer.headers };
    send(response, { ...answer, headers: asAsked(request, headers, context.url()) });
  } catch (error) {
    if (context.closing.aborted || response.headersSent) response.destroy();
    else send(response, { status: 500, body: armError('InternalServerError', `emulation failed: ${String(error)}`) });
  }
}

async function respond(context: ArmContext, request: IncomingMessage, requestId: string): Promise<Answer | 'reset'> {
  const { cloud } = context;
  const url = new URL(request.url ?? '/', 'http://emulated');
  const route = routeOf(url.pathname);
  const body = await readBody(request);
  if (route.kind === 'endpoints') return endpoints(request, url, cloud);
  const wrong = wrongRequest(request, url, route);
  if (route.kind === 'runCommand')
    return post(context, { route, url, body, commandId: requestId.replaceAll('-', ''), wrong });
  if (wrong) return wrong;
  switch (route.kind) {
    case 'cluster':
      return view(context, route);
    case 'tenants':
      return tenantList(cloud);
    case 'subscriptions':
      return subscriptionList(cloud);
    case 'subscription':
      return subscription(route.subscription, cloud);
    case 'commandResult':
      return poll(context, route, url);
    case 'none':
      return { status: 404 };
  }
}

const standardHeaders = ({ clock }: ArmContext, requestId: string): Record<string, string> => ({
  'cache-control': 'no-cache',
  date: new Date(clock.now()).toUTCString(),
  expires: '-1',
  pragma: 'no-cache',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-ms-correlation-request-id': requestId,
  'x-ms-request-id': requestId,
  'x-ms-routing-request-id': `EMULATED:${wholeSeconds(clock.now()).replace(/[-:]/g, '')}:${requestId}`,
});
