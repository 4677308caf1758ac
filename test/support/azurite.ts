import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { describe } from '@jest/globals';

/** Azurite's well-known development account. */
export const account = 'devstoreaccount1';
export const accountKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

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
        blobUrl: `${blob}/${account}`,
        tableUrl: `${table}/${account}`,
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
