/**
 * Writes the recordings of helm, as record.ts does those of kubectl:
 *
 *     node test/conformance/record/record-helm.ts FOLDER/bin [--only WORD] [--helm 4.3,3.12]
 *
 * Every helm is recorded whole: 3 and 4 ask in different ways.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { knowsCase, understandHelm } from '../helm-recordings.ts';
import { helmCases, story, type HelmCase } from '../helm-cases.ts';
import { RECORDINGS, renderRecording, writeRequest, type RecordedCommand } from '../recordings.ts';
import { startApiServer, type User } from './api-server.ts';
import { followAuditLog, requestsOf } from './audit-log.ts';
import { readKeys, restoreKeys } from './etcd-states.ts';
import { runTool, type Ended } from './run-tool.ts';
import { readScopes } from './scopes.ts';
import { makeStates, type State } from './states.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, helm: { type: 'string' } },
});
const [programs] = positionals;
if (programs === undefined) throw new Error('Usage: record-helm.ts FOLDER [--only WORD] [--helm VERSIONS]');

/** Older ones read the whole OpenAPI document before they ask for anything. */
const QUIET_MS = 8_000;

const versions = readdirSync(programs)
  .flatMap((name) => /^helm-(\d\.\d+)$/u.exec(name)?.[1] ?? [])
  .toSorted((a, b) => compare(b, a));

const server = await startApiServer(programs);
const log = followAuditLog(server.auditLog);
const homes = new Map<User, string>(
  (['asker', 'stranger'] as const).map((user) => {
    const home = mkdtempSync(join(tmpdir(), 'aksgw-recorder-'));
    writeFileSync(join(home, 'config'), server.kubeconfig(user));
    return [user, home];
  }),
);
try {
  const made = await makeStates(server);
  const inScope = await readScopes(server);
  // The definition of `things` comes with a chart.
  const isNamespaced = (group: string, resource: string): boolean =>
    inScope(group, resource) || `${resource}.${group}` === 'things.example.com';
  for (const version of values.helm?.split(',') ?? versions) await recordVersion(version, made, isNamespaced);
} finally {
  log.close();
  await server.close();
  for (const home of homes.values()) rmSync(home, { recursive: true, force: true });
}

async function recordVersion(
  version: string,
  made: readonly State[],
  isNamespaced: (group: string, resource: string) => boolean,
): Promise<void> {
  const states = await helmStates(version, made);
  const commands: RecordedCommand[] = [];
  for (const one of helmCases) {
    if (!knowsCase(version, one) || !one.command.startsWith(values.only ?? '')) continue;
    const asked: Record<string, readonly string[]> = {};
    for (const state of states) {
      await restoreKeys(server.etcd, state.keys);
      const ended = await helm(version, one, state.user);
      const requests = requestsOf(ended.events, isNamespaced).map((request) =>
        writeRequest({ asked: request.asked, failed: request.status >= 400 ? request.status : undefined }),
      );
      asked[state.name] = [...new Set(requests)];
      if (values.only !== undefined) {
        process.stdout.write(
          `${one.command} [${state.name}] ${ended.how}\n  ${asked[state.name]?.join('\n  ')}\n  ${ended.output.trim().slice(0, 300)}\n`,
        );
      }
    }
    commands.push({ command: one.command, sent: understandHelm(one).sent.words, asked });
  }
  if (values.only !== undefined) return;
  const head = {
    recorded: new Date().toISOString().slice(0, 10),
    server: server.version,
    helm: version,
    states: Object.fromEntries(states.map(({ name, what }) => [name, what])),
  };
  writeFileSync(join(RECORDINGS, `helm-${version}.json`), renderRecording(head, commands));
}

/** States of releases, made by helm itself, and of their absence. */
async function helmStates(version: string, made: readonly State[]): Promise<readonly State[]> {
  const found = (name: string): State => {
    const state = made.find((one) => one.name === name);
    if (state === undefined) throw new Error(`No state ${name}`);
    return state;
  };
  const absent = found('absent');
  await restoreKeys(server.etcd, absent.keys);
  for (const one of story) {
    const { how, output } = await helm(version, one, 'asker');
    if (how !== 0) throw new Error(`helm ${version} ${one.command}: ${output}`);
  }
  const released = await readKeys(server.etcd);
  // A hook that never ends, and a helm that is killed while it waits for it.
  await helm(version, { ...(story[2] as HelmCase), command: 'upgrade hooked ./hooked' }, 'asker');
  const interrupted = await readKeys(server.etcd);
  return [
    { ...absent, what: 'the namespace is there, and holds no release' },
    { name: 'released', what: 'the releases are deployed', user: 'asker', keys: released },
    { name: 'interrupted', what: 'an upgrade of hooked was killed in the middle', user: 'asker', keys: interrupted },
    found('no namespace'),
    {
      name: 'forbidden',
      what: 'the releases are deployed, and the user may only discover',
      user: 'stranger',
      keys: released,
    },
  ];
}

function helm(version: string, one: HelmCase, user: User): Promise<Ended> {
  const home = homes.get(user) ?? '';
  return runTool(join(programs ?? '', `helm-${version}`), understandHelm(one).sent, { home, log, quietMs: QUIET_MS });
}

function compare(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
