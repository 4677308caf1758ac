import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAzure, type EmulatedAzure } from '../../infra/local/azure.ts';
import { writeConfig } from '../../infra/local/stack.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';

let folder: string;
let azure: EmulatedAzure;
let taken: Server;
let config: string;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aksgw-server-'));
  azure = await startAzure();
  taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  ({ config, env } = writeConfig(folder, azure, (taken.address() as AddressInfo).port, (yaml) => yaml));
});
afterAll(async () => {
  taken.close();
  await azure.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('a gateway on a plain port that cannot start', () => {
  test('says which option moves a port that is taken', async () => {
    const { port } = taken.address() as AddressInfo;
    await expect(startGatewayProcess(config, env)).rejects.toThrow(
      `the gateway did not start: listen EADDRINUSE: address already in use 127.0.0.1:${port}; \`listen:\` in ${config} moves it`,
    );
  });

  test('names the file and the line of its configuration', async () => {
    const wrong = join(folder, 'wrong.yaml');
    const lines = readFileSync(config, 'utf8').split('\n');
    const at = lines.findIndex((line) => line.startsWith('listen:'));
    writeFileSync(wrong, lines.with(at, 'listen: { host: 127.0.0.1, prt: 1 }').join('\n'));
    await expect(startGatewayProcess(wrong, env)).rejects.toThrow(`${wrong}:${at + 1}: listen.prt: `);
  });

  test.each([
    [[], 'give --config FILE or set AKSGW_CONFIG'],
    [['--conf', 'gateway.yaml'], 'it takes --config FILE alone'],
  ])('tells how it is called with %j', (words, says) => {
    const script = join(import.meta.dirname, '../../functions/server.ts');
    const { AKSGW_CONFIG: _, ...without } = process.env;
    const { status, stderr } = spawnSync(process.execPath, [script, ...words], { env: without, encoding: 'utf8' });
    expect([status, stderr.trimEnd().split('\n').length < 4]).toEqual([2, true]);
    expect(stderr).toContain(says);
  });
});
