import { setTimeout as sleep } from 'node:timers/promises';
import type { EmulatedAzure } from '../../../infra/local/azure.ts';
import { people } from '../../../infra/local/stack.ts';
import type { GatewayProcess } from '../gateway-process.ts';
import type { Plan } from './draws.ts';

/** What a caller got for one command in the end. */
export interface Told {
  readonly name: string;
  readonly plan: Plan;
  readonly id?: string | undefined;
  /** The problem, when every answer was one. */
  readonly code?: string | undefined;
}

export interface CommandAnswer {
  readonly id: string;
  readonly status: string;
  readonly stdout: string;
  readonly exitCode: number | null;
  readonly cancelled: boolean;
  readonly settledBy?: string;
}

/** How long a caller asks again for one command. */
const PATIENCE_MS = 120_000;

interface Callers {
  /** Asks, with one key, until there is a record or time is over; cancels it then, if that is planned. */
  run(plan: Plan, at: number): Promise<readonly Told[]>;
  /** The command's record once it has ended; undefined for one that is not found. */
  ended(id: string): Promise<CommandAnswer | undefined>;
}

/** `gateways` changes while they ask: one that was killed is replaced. */
export function createCallers(azure: EmulatedAzure, gateways: readonly GatewayProcess[]): Callers {
  let token: { readonly text: string; readonly until: number } | undefined;
  const headers = async (): Promise<Record<string, string>> => {
    if (!token || performance.now() > token.until)
      token = {
        text: await azure.entra.userToken({ oid: people.user, groups: [people.team] }),
        until: performance.now() + 600_000,
      };
    return { authorization: `Bearer ${token.text}`, 'content-type': 'application/json' };
  };

  async function send(plan: Plan, at: number): Promise<readonly Told[]> {
    const [path, body] = requestOf(plan);
    const until = performance.now() + PATIENCE_MS;
    let code: string | undefined;
    let isSure = true;
    for (let tries = 0; performance.now() < until; tries += 1) {
      try {
        const answer = await fetch(`${gateways[(at + tries) % 2]?.url}/v1/clusters/c${plan.cluster}/${path}`, {
          method: 'POST',
          headers: {
            ...(await headers()),
            prefer: plan.cancelAfterMs === undefined ? 'wait=5' : 'respond-async',
            'idempotency-key': `key-${at}`,
          },
          body,
        });
        const said = (await answer.json()) as Said;
        const ids = idsIn(said);
        if (ids) return plan.names.map((name, step) => ({ name, plan, id: ids[step] }));
        code = said.code;
        if (said.retryable !== true) break;
      } catch {
        isSure = false; // killed meanwhile: whether it took the command is not known
      }
      await sleep(250);
    }
    return plan.names.map((name) => ({ name, plan, ...(isSure && { code }) }));
  }

  /** Whatever the answer is: what counts is what the record says in the end. */
  async function cancel(id: string, afterMs: number, at: number): Promise<void> {
    await sleep(afterMs);
    for (let tries = 0; tries < 3; tries += 1) {
      const answer = await fetch(`${gateways[(at + tries) % 2]?.url}/v1/commands/${id}/cancel`, {
        method: 'POST',
        headers: await headers(),
        body: '{}',
      }).then(
        async (response) => ({ status: response.status, text: await response.text() }),
        () => undefined, // killed
      );
      if (answer && answer.status < 500) return;
      await sleep(250);
    }
  }

  return {
    run: async (plan, at) => {
      const told = await send(plan, at);
      const [{ id } = { id: undefined }] = told;
      if (plan.cancelAfterMs !== undefined && id !== undefined) await cancel(id, plan.cancelAfterMs, at);
      return told;
    },
    ended: async (id) => {
      for (;;) {
        const answer = await fetch(`${gateways[1]?.url}/v1/commands/${id}`, { headers: await headers() });
        const record = (await answer.json()) as CommandAnswer;
        if (answer.status === 404) return undefined;
        if (answer.status === 200 && ['completed', 'failed', 'unknown'].includes(record.status)) return record;
        await sleep(200);
      }
    },
  };
}

interface Said {
  readonly id?: string;
  readonly items?: readonly { readonly id: string }[];
  readonly code?: string;
  readonly retryable?: boolean;
}

const idsIn = ({ id, items }: Said): readonly string[] | undefined =>
  items ? items.map((item) => item.id) : id === undefined ? undefined : [id];

function requestOf({ names, isBatch, onError }: Plan): readonly [string, string] {
  const steps = names.map((name) => ({ argv: ['kubectl', 'get', 'pods', name, '-n', 'shop'] }));
  return isBatch ? ['batches', JSON.stringify({ steps, onError })] : ['commands', JSON.stringify(steps[0])];
}
