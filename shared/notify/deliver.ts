import type { AuditTrail } from '../audit/trail.ts';
import { after, type Clock, type Entropy } from '../clock.ts';
import type { ConfigSource, Webhook } from '../config/config.ts';
import { isLoopback } from '../config/values.ts';
import { Secret } from '../secret.ts';
import type { Delivery } from '../store/delivery.ts';
import type { CommandRecord, Records } from '../store/records.ts';
import { createLanes } from './lanes.ts';
import { payloadOf, type Told } from './payload.ts';
import { AddressRefused, post, sharedLookups, type Resolve } from './post.ts';
import { signedHeaders } from './sign.ts';

/** What deliveries work with. */
export interface NotifyContext {
  readonly config: ConfigSource;
  readonly env: NodeJS.ProcessEnv;
  readonly records: Pick<Records, 'dueDeliveries' | 'replaceDelivery' | 'dropDelivery' | 'get'>;
  readonly trail: AuditTrail;
  /** What there is to tell; undefined where there is nothing, a text where it may not be told. Asked at each attempt: that may change. */
  readonly tell: (
    delivery: Delivery,
    record: CommandRecord | undefined,
    webhook: Webhook,
  ) => Promise<Told | string | undefined>;
  readonly resolve: Resolve;
  readonly clock: Clock;
  readonly entropy: Pick<Entropy, 'bytes'>;
  /** Counts what a webhook took, and what was given up. */
  readonly count?: ((result: 'ok' | 'failed') => void) | undefined;
  readonly onError: (error: unknown) => void;
}

export interface Deliveries {
  /** Something may be due: looked at soon, in the background. */
  soon(): void;
  /**
   * Makes one attempt at everything that is due; to be called each minute or more often. Resolves when that is done, or after `waitMs`: the
   * rest goes on in the background.
   */
  run(waitMs?: number): Promise<void>;
  close(): Promise<void>;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** After which pause the next attempt is made, in turn. */
const pauses = [5_000, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR];
/** When it is given up. */
const GIVE_UP_MS = 24 * HOUR;
/** How long an attempt may take before another process takes it for lost: far longer than one takes. */
const LEASE_MS = 2 * MINUTE;

export function createDeliveries(context: NotifyContext): Deliveries {
  const { records, clock, onError } = context;
  const sharing = { ...context, resolve: sharedLookups(context.resolve) };
  const stopping = new AbortController();
  const lanes = createLanes({
    due: (limit, except) => records.dueDeliveries(clock.now(), limit, except),
    attempt: (delivery) => attempt(sharing, delivery, stopping.signal),
    signal: stopping.signal,
    onError,
  });
  let underWay: Promise<void> | undefined;
  let again = false;
  const soon = (): void => {
    again = true;
    underWay ??= (async () => {
      while (again && !stopping.signal.aborted) {
        again = false;
        await lanes.look().catch(onError);
      }
    })().finally(() => (underWay = undefined));
  };
  return {
    soon,
    run: async (waitMs) => {
      await lanes.look();
      await within(clock, lanes.idle(), waitMs);
    },
    close: async () => {
      stopping.abort(new Error('the gateway is stopping'));
      await underWay;
      await lanes.idle();
    },
  };
}

/** Waits for work that never rejects, for so long. */
async function within(clock: Clock, work: Promise<void>, ms: number | undefined): Promise<void> {
  if (ms === undefined) return work;
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const cancel = after(clock, ms, resolve, { unref: true });
  await Promise.race([work, over]);
  cancel();
}

/**
 * One attempt. It is taken by compare-and-set, which moves its time: two processes never make the same one, and one that dies or stands still
 * in the middle leaves it to the next. Each end is stored the same way, so that a process which lost its turn changes nothing.
 */
async function attempt(context: NotifyContext, found: Delivery, signal: AbortSignal): Promise<void> {
  const { records, config, clock } = context;
  const taken = await records.replaceDelivery({ ...found, attempts: found.attempts + 1, due: clock.now() + LEASE_MS });
  if (!taken) return;
  const webhook = (await config.fresh(signal)).webhooks.get(taken.webhook);
  if (!webhook) return end(context, taken, 'delivery.failed', 'the webhook is not configured any more');
  const told = await tellAbout(context, taken, webhook).catch((error: unknown) => ({ error }));
  if (typeof told === 'object' && 'error' in told) {
    context.onError(told.error);
    return later(context, taken, 'what there is to tell could not be read', undefined);
  }
  if (typeof told === 'string') return end(context, taken, 'delivery.failed', told);
  if (!told) {
    await records.dropDelivery(taken);
    return;
  }
  const result = await send(context, taken, webhook, told, signal);
  if (result.kind === 'sent') return end(context, taken, 'delivery.sent', result.detail);
  if (result.kind === 'refused') await tellTrail(context, taken, 'delivery.refused', result.detail);
  if (result.kind === 'gone') return end(context, taken, 'delivery.failed', result.detail);
  return later(context, taken, result.detail, result.retryAfter);
}

async function tellAbout({ records, tell }: NotifyContext, delivery: Delivery, webhook: Webhook) {
  const { commandId } = delivery.about;
  return tell(delivery, commandId === undefined ? undefined : await records.get(commandId), webhook);
}

type Result =
  | { readonly kind: 'sent' | 'gone' | 'refused'; readonly detail: string; readonly retryAfter?: undefined }
  | { readonly kind: 'failed'; readonly detail: string; readonly retryAfter?: number | undefined };

async function send(
  { config, env, resolve, clock }: NotifyContext,
  { id }: Delivery,
  webhook: Webhook,
  told: Told,
  signal: AbortSignal,
): Promise<Result> {
  const address = webhook.url ?? (webhook.urlEnv === undefined ? undefined : env[webhook.urlEnv]);
  const url = address !== undefined && URL.canParse(address) ? new URL(address) : undefined;
  const secret = webhook.secretEnv === undefined ? undefined : env[webhook.secretEnv];
  if (!url || (webhook.secretEnv !== undefined && !secret))
    return { kind: 'failed', detail: 'its address or secret is not in the environment' };
  const loopback = isLoopback(config.current().listen.host) && isLoopback(url.hostname);
  const body = payloadOf(told, webhook);
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'aks-access-gateway',
    ...(secret ? signedHeaders(id, clock.now(), body, new Secret(secret)) : { 'webhook-id': id }),
  };
  try {
    const { status, retryAfter } = await post(url, headers, body, {
      resolve,
      clock,
      signal,
      reach: { private: webhook.private, loopback },
    });
    if (status >= 200 && status < 300) return { kind: 'sent', detail: `answered ${status}` };
    if (status === 410) return { kind: 'gone', detail: 'answered 410: nobody wants it any more' };
    const redirect = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
    return { kind: 'failed', detail: `answered ${status}${redirect}`, retryAfter };
  } catch (error) {
    if (error instanceof AddressRefused) return { kind: 'refused', detail: error.message };
    return { kind: 'failed', detail: withoutAddress(error) };
  }
}

/** An error's code says enough; its message may hold the address, which may be a secret. */
function withoutAddress(error: unknown): string {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  return typeof code === 'string' ? `no answer (${code})` : `no answer (${String(name)})`;
}

/** The next attempt, within a day of the first; a receiver that says when is waited for. */
async function later(
  context: NotifyContext,
  delivery: Delivery,
  detail: string,
  retryAfter: number | undefined,
): Promise<void> {
  const { records, clock, entropy } = context;
  const { attempts, createdAt } = delivery;
  const pause = pauses[Math.min(attempts, pauses.length) - 1] ?? HOUR;
  const spread = 1 + ((entropy.bytes(1)[0] ?? 0) / 255) * 0.2; // those that failed together do not come back together
  const due = Math.ceil(clock.now() + Math.max(pause * spread, Math.min((retryAfter ?? 0) * 1_000, 8 * HOUR)));
  if (due > createdAt + GIVE_UP_MS) return end(context, delivery, 'delivery.failed', `given up after a day: ${detail}`);
  await records.replaceDelivery({ ...delivery, due });
}

/** In the trail first: a kill in between sends or tells it once more, and never loses it. */
async function end(
  context: NotifyContext,
  delivery: Delivery,
  event: 'delivery.sent' | 'delivery.failed',
  detail: string,
): Promise<void> {
  await tellTrail(context, delivery, event, detail);
  if (await context.records.dropDelivery(delivery)) context.count?.(event === 'delivery.sent' ? 'ok' : 'failed');
}

const tellTrail = (
  { trail }: NotifyContext,
  { id, webhook, about, attempts }: Delivery,
  event: 'delivery.sent' | 'delivery.failed' | 'delivery.refused',
  detail: string,
) =>
  trail.record({
    event,
    deliveryId: id,
    webhook,
    about: about.event,
    commandId: about.commandId,
    job: 'job' in about ? about.job : undefined,
    attempts,
    detail,
  });
