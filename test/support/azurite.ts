import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';

/** Azurite's well-known development account. */
export const account = 'devstoreaccount1';
export const accountKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

export interface Azurite {
  /** `http://127.0.0.1:<port>/devstoreaccount1`. */
  readonly blobUrl: string;
  readonly tableUrl: string;
  close(): Promise<void>;
}

/** Azurite on loopback, on ports of its own, in memory. */
export function startAzurite(): Promise<Azurite> {
  const program = createRequire(import.meta.url).resolve('azurite/dist/src/azurite.js');
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
