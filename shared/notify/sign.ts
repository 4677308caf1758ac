import { createHmac } from 'node:crypto';
import type { Secret } from '../secret.ts';

/** The headers of Standard Webhooks (standardwebhooks.com): id, time in seconds, and `v1,` with an HMAC-SHA256 over both and the body. */
export function signedHeaders(id: string, now: number, body: string, secret: Secret): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(now / 1_000));
  const key = Buffer.from(secret.reveal().replace(/^whsec_/, ''), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}
