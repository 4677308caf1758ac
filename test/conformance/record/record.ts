/**
 * Writes the recordings: real tools, a real API server, its own audit log.
 *
 *     test/conformance/record/build.sh FOLDER
 *     node test/conformance/record/record.ts FOLDER/bin [--only WORD] [--kubectl 1.37,1.30] [--states ready,absent] [--again REGEXP] [--quiet SECONDS]
 *
 * Every command of kubectl-cases.ts runs with the newest kubectl in every state (states.ts) and with each other one too; of the
 * others only what differs is kept. All states take the better part of an hour for each kubectl, so that older ones are best recorded in a
 * few; in a file that is there already, the other states stay as they were recorded. `--only` runs the commands that begin with WORD and prints instead of writing. `--again`
 * runs those that match once more, those whose words have changed and, with the newest kubectl, those that are new; what was recorded of the
 * others is kept.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { interpret } from '../../../shared/command/interpret.ts';
import { splitWords } from '../../../shared/command/words.ts';
import { cases, uploads, type Case } from '../kubectl-cases.ts';
import { context } from '../kubectl-cluster.ts';
import { RECORDINGS, renderRecording, writeRequest, type RecordedCommand, type Recording } from '../recordings.ts';
import { startApiServer } from './api-server.ts';
import { followAuditLog, requestsOf } from './audit-log.ts';
import { openContention } from './contention.ts';
import { restoreKeys } from './etcd-states.ts';
import { runTool } from './run-tool.ts';
import { readScopes } from './scopes.ts';
import { makeStates, type State } from './states.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    kubectl: { type: 'string' },
    states: { type: 'string' },
    again: { type: 'string' },
    quiet: { type: 'string', default: '2' },
  },
});
const [programs] = positionals;
if (programs === undefined) throw new Error('Usage: record.ts FOLDER [--only WORD] [--kubectl VERSIONS]');

const versions = readdirSync(programs)
  .flatMap((name) => /^kubectl\.(1\.\d+)$/u.exec(name)?.[1] ?? [])
  .toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true }));
const chosen = values.kubectl?.split(',') ?? versions;
const [newest] = versions;
if (newest === undefined) throw new Error(`No kubectl in ${programs}`);

const server = await startApiServer(programs);
const contention = await openContention(server, 'asker');
const log = followAuditLog(server.auditLog);
try {
  const all = await makeStates(server);
  const states = all.filter(({ name }) => values.states?.split(',').includes(name) ?? true);
  const isNamespaced = await readScopes(server);
  for (const version of chosen) await recordVersion(version, { all, states }, isNamespaced);
} finally {
  log.close();
  await contention.close();
  await server.close();
}

async function recordVersion(
  version: string,
  { all, states }: { readonly all: readonly State[]; readonly states: readonly State[] },
  isNamespaced: (group: string, resource: string) => boolean,
): Promise<void> {
  const homes = new Map<State['user'] | 'contended', string>([
    ...(['asker', 'stranger'] as const).map((user) => [user, homeOf(server.kubeconfig(user))] as const),
    ['contended', homeOf(contention.kubeconfig)] as const,
  ]);
  const commands: RecordedCommand[] = [];
  const only = values.only;
  const before = values.again === undefined && values.states === undefined ? undefined : readBefore(version);
  for (const one of cases.filter(({ command }) => only === undefined || command.startsWith(only))) {
    if (compare(version, one.since ?? '') < 0) continue;
    const sent = sentFor(one);
    const kept = before?.get(one.command);
    // Of an older version only what differs from the newest is kept: what is not there was the same.
    if (
      kept === undefined &&
      version !== newest &&
      values.again !== undefined &&
      !new RegExp(values.again, 'u').test(one.command)
    )
      continue;
    const same = kept !== undefined && kept.sent.join('\n') === sent.words.join('\n');
    if (same && values.again !== undefined && !new RegExp(values.again, 'u').test(one.command)) {
      commands.push(kept);
      continue;
    }
    const asked: Record<string, readonly string[]> = { ...(values.states !== undefined && kept?.asked) };
    for (const state of states) {
      if (state.contended === true && !(asked['ready'] ?? kept?.asked['ready'] ?? []).some(isWrite)) continue;
      await restoreKeys(server.etcd, state.keys);
      contention.begin();
      const home = homes.get(state.contended === true ? 'contended' : state.user) ?? '';
      const ended = await runTool(join(programs ?? '', `kubectl.${version}`), sent, {
        home,
        log,
        quietMs: Number(values.quiet) * 1000,
      });
      const requests = requestsOf(ended.events, isNamespaced).map((request) =>
        writeRequest({ asked: request.asked, failed: request.status >= 400 ? request.status : undefined }),
      );
      asked[state.name] = [...new Set(requests)];
      if (only !== undefined) {
        process.stdout.write(
          `${one.command} [${state.name}] ${ended.how}\n  ${asked[state.name]?.join('\n  ')}\n  ${ended.output.trim().slice(0, 300)}\n`,
        );
      }
    }
    if (commands.length % 20 === 0) process.stderr.write(`kubectl ${version}: ${commands.length} commands\n`);
    commands.push({ command: one.command, sent: sent.words, asked });
  }
  for (const home of homes.values()) rmSync(home, { recursive: true, force: true });
  if (only === undefined) write(version, commands, values.states !== undefined && version === newest ? all : states);
}

/** Of an object that is there: only that can be in conflict. */
function isWrite(request: string): boolean {
  return /^(?:update|patch) /u.test(request);
}

/** What was recorded of a version before. */
function readBefore(version: string): ReadonlyMap<string, RecordedCommand> {
  if (version !== newest && values.again === undefined) return new Map();
  const { commands } = JSON.parse(readFileSync(join(RECORDINGS, `kubectl-${version}.json`), 'utf8')) as Recording;
  return new Map(commands.map((one) => [one.command, one]));
}

function homeOf(kubeconfig: string): string {
  const home = mkdtempSync(join(tmpdir(), 'aksgw-recorder-'));
  writeFileSync(join(home, 'config'), kubeconfig);
  return home;
}

function sentFor(one: Case) {
  const files = Object.entries(uploads).map(([path, text]) => ({ path, bytes: Buffer.from(text) }));
  return interpret({ argv: splitWords(`kubectl ${one.command}`), files, stdin: one.stdin }, context).sent;
}

function write(version: string, all: readonly RecordedCommand[], states: readonly State[]): void {
  mkdirSync(RECORDINGS, { recursive: true });
  const whole =
    version === newest
      ? undefined
      : (JSON.parse(readFileSync(join(RECORDINGS, `kubectl-${newest}.json`), 'utf8')) as Recording);
  const commands = whole === undefined ? all : all.flatMap((one) => differing(one, whole));
  const head = {
    recorded: new Date().toISOString().slice(0, 10),
    server: server.version,
    kubectl: version,
    ...(whole !== undefined && { differsFrom: newest }),
    states: Object.fromEntries(states.map(({ name, what }) => [name, what])),
  };
  writeFileSync(join(RECORDINGS, `kubectl-${version}.json`), renderRecording(head, commands));
}

/** The states in which another set of requests was made. */
function differing(one: RecordedCommand, { commands }: Recording): RecordedCommand[] {
  const other = commands.find(({ command }) => command === one.command);
  const asked = Object.entries(one.asked).filter(([state, requests]) => {
    const theirs = new Set(other?.asked[state]);
    return requests.length !== theirs.size || requests.some((request) => !theirs.has(request));
  });
  return asked.length === 0 ? [] : [{ ...one, asked: Object.fromEntries(asked) }];
}

function compare(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
