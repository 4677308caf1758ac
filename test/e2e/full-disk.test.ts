import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startAzure, type EmulatedAzure } from '../../infra/local/azure.ts';
import { people, writeConfig } from '../../infra/local/stack.ts';
import { readRootKey } from '../../shared/audit/keys.ts';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';

const RESTART = { argv: ['kubectl', 'rollout', 'restart', 'deployment/web', '-n', 'shop'] };

/** A file system of 8 MB of its own, in memory. False where this process may not mount one. */
function mountSmall(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const unmount = (folder: string) => execFileSync('umount', ['-l', folder], { stdio: 'ignore' });

const folder = mkdtempSync(join(tmpdir(), 'aksgw-full-'));
const data = join(folder, 'data');
const mounted = mountSmall(data);
if (!mounted) rmSync(folder, { recursive: true });

(mounted ? describe : describe.skip)(
  `a gateway whose disk is full${mounted ? '' : ' (skipped: no file system can be mounted here)'}`,
  () => {
    let azure: EmulatedAzure;
    let gateway: GatewayProcess;
    let headers: Record<string, string>;
    beforeAll(async () => {
      azure = await startAzure();
      const { config, env } = writeConfig(folder, azure, 0, (yaml) => yaml);
      gateway = await startGatewayProcess(config, env);
      const token = await azure.entra.userToken({ oid: people.user, groups: [people.team] });
      headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    });
    afterAll(async () => {
      await gateway.kill();
      await azure.close();
      unmount(data);
      rmSync(folder, { recursive: true, force: true });
    });
    const send = () =>
      fetch(`${gateway.url}/v1/clusters/demo/commands`, { method: 'POST', headers, body: JSON.stringify(RESTART) });
    const filling = () => join(data, 'filling');
    /** Writes until nothing more fits, to the last byte. */
    const fill = (): void => {
      const flag = { flag: 'a' };
      for (const size of [65_536, 512, 1])
        try {
          for (;;) writeFileSync(filling(), Buffer.alloc(size), flag);
        } catch (error) {
          if (!(error instanceof Error) || !('code' in error) || error.code !== 'ENOSPC') throw error;
        }
    };
    const readyAt = async (): Promise<number> => (await fetch(`${gateway.url}/readyz`)).status;
    const until = async (what: () => Promise<boolean>): Promise<void> => {
      for (const deadline = Date.now() + 25_000; !(await what()); await pause(200))
        if (Date.now() > deadline) throw new Error('it never came');
    };

    test('runs nothing and says so; with room again it goes on by itself, and its trail holds', async () => {
      expect((await send()).status).toBe(200);
      const before = azure.arm.posts.length;

      fill();
      for (let count = 0; count < 3; count += 1) {
        const refused = await send();
        expect(refused.status).toBe(503);
        expect(await refused.json()).toMatchObject({
          code: expect.stringMatching(/^(audit-unavailable|gateway-busy)$/),
        });
      }
      expect(azure.arm.posts.length).toBe(before);
      await until(async () => (await readyAt()) === 503);
      expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200);

      rmSync(filling());
      await until(async () => (await readyAt()) === 200);
      await until(async () => (await send()).status === 200);
      expect(azure.arm.posts.length).toBe(before + 1);

      expect(await gateway.stop()).toBe(0);
      const report = await verifyTrail(createFileLog({ folder: join(data, 'audit') }), {
        rootKeys: [await readRootKey({ kind: 'file', path: join(data, 'signing.jwk') }, undefined)],
      });
      expect(report.findings.filter(({ level }) => level === 'broken')).toEqual([]);
      expect(report.commands.open).toEqual([]);
      expect(report.commands.paired).toBe(2);
    }, 90_000);
  },
);
