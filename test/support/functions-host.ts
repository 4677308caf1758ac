import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';

/**
 * A Functions host, as far as an HTTP app meets it, before a worker process that has nothing but what was deployed. Its rules, and where
 * they are told:
 * - a body is handed over only with its length; one that came in chunks arrives empty (Azure/azure-functions-host#4926, #7930)
 * - headers are one text for each name; those of the connection are the host's own, in both directions
 * - paths by the functions' own routes and host.json's routePrefix; 429 over maxOutstandingRequests (host.json reference, "http")
 * - the worker starts as a placeholder and gets its environment later (functionEnvironmentReloadRequest)
 * - at the end the app's hooks run, and a worker that is not gone within the grace period is killed (workerTerminate)
 */
export interface FunctionsHost {
  readonly url: string;
  readonly functions: readonly { readonly name: string; readonly bindings: readonly Binding[] }[];
  /** One tick of a timer. */
  tick(name: string): Promise<unknown>;
  /** What the app said to the host's log, and to its standard error. */
  log(): Promise<string>;
  /** The worker's exit code, or the signal that ended it. */
  terminate(): Promise<number | NodeJS.Signals | null>;
}

interface Binding {
  readonly type: string;
  readonly route?: string;
  readonly methods?: readonly string[];
  readonly authLevel?: string;
}

/** Default of the host: WorkerTerminate's grace period. */
const GRACE_MS = 5_000;
const ownHeaders = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'content-length', 'date']);

/** Starts the host for the folder `dist`, its worker with `env` alone. */
export async function startFunctionsHost(dist: string, env: NodeJS.ProcessEnv): Promise<FunctionsHost> {
  const { extensions } = JSON.parse(readFileSync(join(dist, 'host.json'), 'utf8')) as {
    extensions: { http: { routePrefix: string; maxOutstandingRequests: number } };
  };
  const { routePrefix, maxOutstandingRequests } = extensions.http;
  const worker = startWorker();
  const functions = (await worker.ask('load', { env, folder: dist })) as FunctionsHost['functions'];

  let outstanding = 0;
  const server = createServer((request, response) => {
    outstanding += 1;
    const answered = outstanding > maxOutstandingRequests ? status(response, 429) : handle(request, response);
    void answered
      .catch(() => status(response, 500))
      .finally(() => {
        outstanding -= 1;
      });
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', `https://${request.headers.host}`);
    const found = functions.find(({ bindings }) => bindings.some((binding) => takes(binding, request, url)));
    if (!found) return status(response, 404);
    const sent = await buffer(request);
    const body = Number(request.headers['content-length'] ?? 0) > 0 ? sent : undefined;
    const http = {
      method: request.method,
      url: url.href,
      headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
      // The host hands text over as text.
      ...(body && { body: { string: body.toString() } }),
    };
    const { returnValue } = (await worker.ask('invoke', { name: found.name, data: { http } })) as {
      returnValue: { http: RpcHttp };
    };
    const { statusCode, headers, body: answer } = returnValue.http;
    const forbidden = Object.keys(headers).filter((name) => ownHeaders.has(name));
    if (forbidden.length > 0) throw new Error(`headers of the connection: ${forbidden.join(', ')}`);
    const bytes = answer.string ?? Buffer.from(answer.bytes ?? []);
    response.writeHead(Number(statusCode), headers).end(request.method === 'HEAD' ? undefined : bytes);
  }

  const takes = ({ type, route, methods = [] }: Binding, request: IncomingMessage, { pathname }: URL): boolean =>
    type === 'httpTrigger' &&
    route === '{*path}' &&
    pathname.startsWith(`/${routePrefix}`) &&
    methods.some((method) => method.toUpperCase() === request.method);

  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    functions,
    tick: (name) => worker.ask('invoke', { name, data: { json: JSON.stringify(timer) } }),
    log: async () => `${JSON.stringify(await worker.ask('logged', {}))}\n${worker.stderr()}`,
    async terminate() {
      server.close();
      server.closeAllConnections();
      return worker.terminate();
    },
  };
}

const timer = { schedule: { adjustForDST: true }, isPastDue: false, scheduleStatus: null };

interface RpcHttp {
  readonly statusCode: string;
  readonly headers: Record<string, string>;
  readonly body: { readonly bytes?: Uint8Array; readonly string?: string };
}

const status = async (response: ServerResponse, code: number): Promise<void> => void response.writeHead(code).end();

function startWorker() {
  const child = fork(join(import.meta.dirname, 'functions-worker.cjs'), {
    env: { PATH: process.env['PATH'], WEBSITE_PLACEHOLDER_MODE: '1' },
    execArgv: [],
    serialization: 'advanced', // bytes stay bytes
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const exited = new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.once('exit', (code, signal) => resolve(code ?? signal)),
  );
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  child.on('message', ({ id, answer, error }: { id: number; answer?: unknown; error?: string }) => {
    if (error === undefined) waiting.get(id)?.resolve(answer);
    else waiting.get(id)?.reject(new Error(error));
    waiting.delete(id);
  });
  child.once('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error(`the worker ended: ${stderr}`));
  });
  let next = 0;
  const ask = (kind: string, message: object): Promise<unknown> => {
    const asked = Promise.withResolvers<unknown>();
    waiting.set((next += 1), asked);
    child.send({ id: next, kind, ...message });
    return asked.promise;
  };
  return {
    ask,
    stderr: () => stderr,
    async terminate() {
      if (!child.connected) return exited;
      const late = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
      void ask('terminate', {}).catch(() => undefined); // it may be gone before it answers
      const end = await exited;
      clearTimeout(late);
      return end;
    },
  };
}
