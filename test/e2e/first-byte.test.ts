import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startAzure, type EmulatedAzure } from '../../infra/local/azure.ts';
import { people, writeConfig } from '../../infra/local/stack.ts';
import { startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';

/**
 * A gateway that is killed (SIGKILL) at the first byte of an answer: a caller who got an id finds the record, since no id is given out before its
 * record is durable. FIRST_BYTE_KILLS=500 is the whole of it; else it is a sample.
 */
const KILLS = Number(process.env['FIRST_BYTE_KILLS'] ?? 3);
const AT_ONCE = 4;
const root = join(import.meta.dirname, '../..');

let folder: string;
let azure: EmulatedAzure;
let token: string;
let start: () => Promise<GatewayProcess>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aksgw-first-byte-'));
  // What runs does not matter: the least that can.
  writeFileSync(join(folder, 'kubectl'), '#!/bin/sh\necho ran\n', { mode: 0o755 });
  azure = await startAzure({ tools: folder });
  // As it is deployed, which starts in a third of the time.
  const script = `import { bundle } from ${JSON.stringify(join(root, 'infra/build.ts'))}; await bundle(${JSON.stringify(join(folder, 'dist'))});`;
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  const unlimited = 'requestsPerMinute: 1000000, auditLinesPerMinute: 1000000';
  const { config, env } = writeConfig(folder, azure, 0, (yaml) =>
    yaml.replace(
      /perPrincipal: .*/,
      `perPrincipal: { running: 5000, queued: 5000, submitsPerMinute: 1000000, ${unlimited} }\n  total: { ${unlimited} }`,
    ),
  );
  start = () =>
    startGatewayProcess(config, { ...env, AKSGW_LOG_LEVEL: 'fatal' }, join(folder, 'dist/functions/server.js'));
}, 60_000);
afterAll(async () => {
  await azure.close();
  rmSync(folder, { recursive: true, force: true });
});

/** POSTs a command over a connection of its own; calls at its answer's first byte, and gives all that came. */
function postUntilClosed(url: string, prefer: string, firstByte: () => void): Promise<string> {
  const body = JSON.stringify({ argv: ['kubectl', 'get', 'pods', '-n', 'shop'] });
  const head =
    `POST /v1/clusters/demo/commands HTTP/1.1\r\nhost: g\r\nauthorization: Bearer ${token}\r\nprefer: ${prefer}\r\n` +
    `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(head + body));
    socket.setEncoding('utf8').on('data', (text: string) => {
      if (answer === '') firstByte();
      answer += text;
    });
    socket.once('close', () => resolve(answer)).on('error', () => undefined);
  });
}

const statusOf = async (url: string, id: string): Promise<number> => {
  const answer = await fetch(`${url}/v1/commands/${id}`, { headers: { authorization: `Bearer ${token}` } });
  await answer.text();
  return answer.status;
};

test(
  `of ${KILLS} gateways that were killed at the first byte of an answer, none has lost an id`,
  async () => {
    let unchecked: string[] = [];
    let told = 0;
    const lost: string[] = [];
    const check = async (url: string): Promise<void> => {
      for (const id of unchecked) if ((await statusOf(url, id)) !== 200) lost.push(id);
      unchecked = [];
    };
    for (let kill = 0; kill < KILLS; kill++) {
      token = await azure.entra.userToken({ oid: people.user, groups: [people.team] });
      const gateway = await start();
      await check(gateway.url);
      let killed: Promise<void> | undefined;
      const prefer = kill % 2 === 0 ? 'respond-async' : 'wait=1';
      const answers = await Promise.all(
        Array.from({ length: AT_ONCE }, () =>
          postUntilClosed(gateway.url, prefer, () => void (killed ??= gateway.kill())),
        ),
      );
      await killed;
      unchecked = answers.flatMap((answer) => /"id":"([^"]+)"/.exec(answer)?.[1] ?? []);
      told += unchecked.length;
    }
    const last = await start();
    await check(last.url);
    await last.kill();
    if (process.env['FIRST_BYTE_KILLS']) console.log(`${KILLS} kills, ${told} ids told, ${lost.length} lost`);
    expect(lost).toEqual([]);
    expect(told).toBeGreaterThanOrEqual(KILLS);
  },
  30_000 + KILLS * 15_000,
);
