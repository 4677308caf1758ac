import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../shared/client/main.ts';
import { commandOf } from '../../shared/client/commands/relay.ts';

const folder = mkdtempSync(join(tmpdir(), 'aksgw-fetched-'));
const bin = join(folder, 'bin');
let server: Server;
let url: string;
beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === '/app.yaml') response.end('kind: ConfigMap\n');
    else if (request.url === '/plain') response.writeHead(302, { location: 'http://example.invalid/x' }).end();
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  mkdirSync(bin);
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});
const program = (name: string, script: string): void => {
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
};
const command = async (...argv: string[]) => {
  const sink = { write: () => undefined };
  const stdin = (async function* () {})();
  const env = { PATH: `${bin}:/usr/bin:/bin` };
  const { argv: words, files = [] } = await commandOf(argv, {
    env,
    stdin,
    stdout: sink,
    stderr: sink,
    cwd: () => folder,
  });
  return {
    words,
    files: files.map(({ path, contentBase64 = '' }) => [path, Buffer.from(contentBase64, 'base64').toString()]),
  };
};

describe('what the pod may not fetch, the wrapper fetches:', () => {
  test('-f https://…, and names it', async () => {
    const { words, files } = await command('kubectl', 'apply', '-f', `${url}/app.yaml`);
    expect(words).toEqual(['kubectl', 'apply', '-f', 'aksgw-fetched/fetched-0-0.yaml']);
    expect(files).toEqual([['aksgw-fetched/fetched-0-0.yaml', 'kind: ConfigMap\n']]);
    await expect(command('kubectl', 'apply', '-f', `${url}/nope`)).rejects.toThrow(/answers 404/);
    await expect(command('kubectl', 'apply', '-f', `${url}/plain`)).rejects.toThrow(/not https/);
  });

  test('-k, with the kubectl here', async () => {
    program('kubectl', 'printf "built: $*"');
    const { words, files } = await command('kubectl', 'apply', '-k', 'overlay', '-n', 'shop');
    expect(words).toEqual(['kubectl', 'apply', '--filename=aksgw-fetched/kustomized-0.yaml', '-n', 'shop']);
    expect(files).toEqual([['aksgw-fetched/kustomized-0.yaml', 'built: kustomize overlay']]);
    program('kubectl', 'echo "no such overlay" >&2; exit 1');
    await expect(command('kubectl', 'apply', '--kustomize=overlay')).rejects.toThrow(/overlay: no such overlay/);
  });

  test('dependencies of a chart, with the helm here', async () => {
    program('helm', `echo "$*" >> "${folder}/dependencies.log"`);
    mkdirSync(join(folder, 'own/templates'), { recursive: true });
    writeFileSync(join(folder, 'own/Chart.yaml'), 'name: own\n');
    const { words } = await command('helm', 'upgrade', 'r', './own', '--dependency-update', '-n', 'shop');
    expect(words).toEqual(['helm', 'upgrade', 'r', './own', '-n', 'shop']);
    const sink = { write: () => undefined };
    const host = {
      env: { PATH: `${bin}:/usr/bin` },
      stdin: (async function* () {})(),
      stdout: sink,
      stderr: sink,
      cwd: () => folder,
    };
    expect(await main(['helm', 'dependency', 'build', './own'], host)).toBe(0);
    expect(readFileSync(join(folder, 'dependencies.log'), 'utf8')).toBe(
      'dependency update ./own\ndependency build ./own\n',
    );
    rmSync(join(bin, 'helm'));
    expect(await main(['helm', 'dependency', 'build', './own'], host)).toBe(2);
  });

  test('charts of repositories and registries, with the helm here; refused by name without one', async () => {
    await expect(command('helm', 'install', 'r', 'oci://registry.example.com/web')).rejects.toThrow(
      /no helm on the PATH/,
    );
    program(
      'helm',
      `echo "$*" > "${folder}/helm.log"; for last; do case $prev in --untardir) to=$last;; esac; prev=$last; done; mkdir "$to/web"; echo "name: web" > "$to/web/Chart.yaml"`,
    );
    const { words, files } = await command(
      'helm',
      'install',
      'r',
      'web',
      '--repo',
      'https://charts.example.com',
      '--version=1.2.3',
      '-n',
      'shop',
    );
    expect(words).toEqual(['helm', 'install', 'r', './aksgw-fetched/web', '-n', 'shop']);
    expect(files).toEqual([['aksgw-fetched/web/Chart.yaml', 'name: web\n']]);
    expect(readFileSync(join(folder, 'helm.log'), 'utf8')).toMatch(
      /^pull web --untar --untardir \S+ --repo=https:\/\/charts\.example\.com --version=1\.2\.3\n$/,
    );
  });
});
