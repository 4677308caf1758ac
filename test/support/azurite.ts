import { spawn } from 'node:child_process';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { describe } from '@jest/globals';
import { AZURITE_ACCOUNT } from '../../shared/store/azurite.ts';

export { AZURITE_ACCOUNT as account, AZURITE_KEY as accountKey } from '../../shared/store/azurite.ts';

export interface Azurite {
  /** `http://127.0.0.1:<port>/devstoreaccount1`. */
  readonly blobUrl: string;
  readonly tableUrl: string;
  close(): Promise<void>;
}

/** Azurite has packages of its own (test/azurite), which `npm ci --prefix test/azurite` brings. */
function findAzurite(): string | undefined {
  try {
    return createRequire(new URL('../azurite/package.json', import.meta.url)).resolve('azurite/dist/src/azurite.js');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
const program = findAzurite();

/** A suite that needs Azurite: skipped, visibly, where it is not installed. */
export const describeAzurite = program === undefined ? describe.skip : describe;

/** Azurite on loopback, on ports of its own, in memory. */
export function startAzurite(): Promise<Azurite> {
  if (program === undefined) throw new Error('Azurite is not installed: npm ci --prefix test/azurite');
  const ports = ['--blobPort', '0', '--queuePort', '0', '--tablePort', '0'];
  const child = spawn(process.execPath, [program, '--inMemoryPersistence', '--skipApiVersionCheck', ...ports], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return new Promise((resolve, reject) => {
    let said = '';
    const listen = (chunk: string): void => {
      said += chunk;
      const at = (service: string): string | undefined =>
        new RegExp(`${service} service is successfully listening at (http://127\\.0\\.0\\.1:\\d+)`).exec(said)?.[1];
      const [blob, table] = [at('Blob'), at('Table')];
      if (blob === undefined || table === undefined) return;
      resolve({
        blobUrl: `${blob}/${AZURITE_ACCOUNT}`,
        tableUrl: `${table}/${AZURITE_ACCOUNT}`,
        close: async () => {
          // It would wait for the clients' idle connections; there is nothing on disk to lose.
          child.kill('SIGKILL');
          await closed;
        },
      });
    };
    child.stdout.setEncoding('utf8').on('data', listen);
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    child.once('error', reject);
    void closed.then(() => reject(new Error(`Azurite ended: ${said}`)));
  });
}

/** What becomes of a request: it arrives, its way there or back is lost, or it is answered with a status and does not arrive. */
export type StorageFault = 'pass' | 'lose-request' | 'lose-answer' | number;

export interface FaultyStorage extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`, in place of Azurite's own. */
  readonly origin: string;
}

/** A way to one of Azurite's services that loses or replaces answers, as `fault` says request by request. */
export async function startFaultyStorage(
  url: string,
  fault: (request: IncomingMessage) => StorageFault,
): Promise<FaultyStorage> {
  const { origin } = new URL(url);
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request);
    const what = fault(request);
    if (what === 'lose-request') return void request.socket.destroy();
    if (typeof what === 'number') return void response.writeHead(what).end();
    const real = await fetch(`${origin}${request.url ?? ''}`, {
      method: request.method ?? 'GET',
      headers: Object.entries(request.headers).flatMap(([name, value]) =>
        name === 'connection' || name === 'transfer-encoding' || name === 'content-length'
          ? []
          : [[name, String(value)] as [string, string]],
      ),
      ...(body.length > 0 && { body }),
    });
    if (what === 'lose-answer') return void request.socket.destroy();
    response.writeHead(real.status, Object.fromEntries(real.headers)).end(Buffer.from(await real.arrayBuffer()));
  };
  const proxy = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => proxy.once('listening', resolve));
  return {
    origin: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      proxy.closeAllConnections();
      proxy.close();
    },
  };
}

export interface FaultyBlobs extends FaultyStorage {
  /** How many appends were asked for. */
  appends(): number;
}

/** A way to Azurite's blobs; `fault` says what happens to the n-th append, from 1 on. */
export async function startFaultyBlobs(
  azurite: Pick<Azurite, 'blobUrl'>,
  fault: (append: number) => StorageFault,
): Promise<FaultyBlobs> {
  let appends = 0;
  const way = await startFaultyStorage(azurite.blobUrl, ({ url }) =>
    url?.includes('comp=appendblock') ? fault(++appends) : 'pass',
  );
  return { ...way, appends: () => appends };
}
