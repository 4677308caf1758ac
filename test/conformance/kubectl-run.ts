import { spawn } from 'node:child_process';
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { startKubernetes, type EmulatedKubernetes, type RecordedRequest } from '../../infra/local/kubernetes/server.ts';
import { ALL_NAMESPACES, describeAttributes, type ResourceAttributes } from '../../shared/kubernetes/attributes.ts';
import { interpret } from '../../shared/command/interpret.ts';
import type { Invocation, SentCommand } from '../../shared/command/invocation.ts';
import { splitWords } from '../../shared/command/words.ts';
import { context, furnish } from './kubectl-cluster.ts';
import { uploads, type Case } from './kubectl-cases.ts';

export interface Kubectl {
  readonly version: string;
  readonly path: string;
}

/**
 * The kubectls to test with, old to new: `kubectl.1.29` … beside the `kubectl` of the PATH (or in AKSGW_KUBECTL_DIR), or that
 * `kubectl` alone. Empty when there is none.
 */
export function findKubectls(env: NodeJS.ProcessEnv): readonly Kubectl[] {
  const found = onPath(env);
  const folder = env['AKSGW_KUBECTL_DIR'] ?? (found === undefined ? undefined : dirname(realpathSync(found)));
  if (folder === undefined) return [];
  const versions = readdirSync(folder)
    .flatMap((name) => /^kubectl\.(1\.(?:29|3\d))$/u.exec(name)?.[1] ?? [])
    .sort()
    .map((version) => ({ version, path: join(folder, `kubectl.${version}`) }));
  return versions.length === 0 && found !== undefined ? [{ version: 'of the PATH', path: found }] : versions;
}

function onPath(env: NodeJS.ProcessEnv): string | undefined {
  return (env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'kubectl'))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

export interface Bench {
  /** Interprets, runs, and tells what differs; empty when what kubectl asked for is what we said. */
  check(one: Case): Promise<string[]>;
  close(): Promise<void>;
}

/** One emulated cluster and one kubectl with a discovery cache that stays warm. */
export async function openBench(kubectl: Kubectl): Promise<Bench> {
  const kubernetes = await startKubernetes({ seed: false });
  const home = mkdtempSync(join(tmpdir(), 'kubectl-conformance-'));
  writeFileSync(join(home, 'config'), kubernetes.kubeconfig());
  return {
    check: async (one) => {
      furnish(kubernetes);
      const files = Object.entries(uploads).map(([path, text]) => ({ path, bytes: Buffer.from(text) }));
      const argv = splitWords(`kubectl ${one.command}`);
      const invocation = interpret({ argv, files, stdin: one.stdin }, context);
      const ended = await runKubectl(kubectl, kubernetes, home, invocation.sent, one.endless);
      const differences = compare(invocation, kubernetes, one.unasked ?? {});
      return differences.length === 0 ? [] : [...differences, `sent: ${invocation.sent.words.join(' ')}`, ended];
    },
    close: async () => {
      rmSync(home, { recursive: true, force: true });
      await kubernetes.close();
    },
  };
}

const LONGEST_MS = 20_000;

/** Runs the words that would be sent, in a folder with the files that would be sent. Gives kubectl's own words, for a failure. */
function runKubectl(
  { path }: Kubectl,
  kubernetes: EmulatedKubernetes,
  home: string,
  sent: SentCommand,
  endless: string | undefined,
): Promise<string> {
  const folder = mkdtempSync(join(home, 'run-'));
  for (const file of sent.files) {
    mkdirSync(dirname(join(folder, file.path)), { recursive: true });
    writeFileSync(join(folder, file.path), file.bytes);
  }
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(path, sent.words.slice(1), {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: home, KUBECONFIG: join(home, 'config'), LC_ALL: 'C' },
    timeout: LONGEST_MS,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  // Nobody reads the stdin of most commands.
  child.stdin.on('error', () => undefined);
  child.stdin.end(sent.stdin === undefined ? undefined : Buffer.from(sent.stdin));
  const poll = setInterval(() => {
    if (endless !== undefined && kubernetes.requests.some(({ verb }) => verb === endless)) child.kill('SIGKILL');
  }, 10);
  child.on('error', reject);
  child.on('close', (code) => {
    clearInterval(poll);
    rmSync(folder, { recursive: true, force: true });
    resolve(`exit code ${code}: ${output.slice(0, 600)}`);
  });
  return promise;
}

/** What the API server's own admission asks for, so that no request of kubectl's shows it. */
const ADMISSION_VERBS = new Set(['bind', 'escalate', 'approve']);

function compare(
  { attributes }: Invocation,
  kubernetes: EmulatedKubernetes,
  unasked: Readonly<Record<string, string>>,
): string[] {
  const asked = kubernetes.requests.filter((request) => !isForgiven(request, kubernetes)).map(asAuthorised);
  const differences: string[] = [];
  for (const request of asked) {
    if (!attributes.some((one) => covers(one, request))) {
      differences.push(`kubectl asked and we did not say: ${describeAttributes(request)}`);
    }
  }
  for (const one of attributes) {
    if (ADMISSION_VERBS.has(one.verb) || isExpected(one, unasked)) continue;
    if (!asked.some((request) => covers(one, request))) {
      differences.push(`we said and kubectl did not ask: ${describeAttributes(one)}`);
    }
  }
  for (const [key] of Object.entries(unasked)) {
    const said = attributes.filter((one) => isExpected(one, { [key]: '' }));
    if (said.length === 0) differences.push(`the exception "${key}" excuses nothing`);
  }
  return [...new Set(differences)];
}

/**
 * Requests whose refusal kubectl takes without a word, so that nobody needs the right:
 * after a 404 it asks whether the namespace exists, to word its error (cli-runtime, Info.Get);
 * after the deletion of what a query found it reads each object, to wait for its end (kubectl delete, "forbidden from waiting").
 */
function isForgiven(request: RecordedRequest, { requests }: EmulatedKubernetes): boolean {
  const before = requests.slice(0, requests.indexOf(request));
  if (request.verb === 'get' && request.group === '' && request.resource === 'namespaces') {
    const last = before.at(-1);
    return last?.status === 404 && last.namespace === request.name;
  }
  const same = (one: RecordedRequest): boolean =>
    one.resource === request.resource && one.group === request.group && one.namespace === request.namespace;
  return (
    request.verb === 'get' &&
    before.some((one) => one.verb === 'delete' && same(one) && one.name === request.name) &&
    before.some((one) => one.verb === 'list' && one.resource === request.resource && one.group === request.group)
  );
}

/**
 * A request as our attributes put it. exec and attach are first tried as a WebSocket, a GET; the permission is `create` all the
 * same (as it was for every kubectl before).
 */
function asAuthorised(request: ResourceAttributes): ResourceAttributes {
  const { verb, group, resource, subresource, namespace, name } = request;
  const upgraded = verb === 'get' && resource === 'pods' && (subresource === 'exec' || subresource === 'attach');
  return { verb: upgraded ? 'create' : verb, group, resource, subresource, namespace, name };
}

function covers(ours: ResourceAttributes, request: ResourceAttributes): boolean {
  return (
    ours.verb === request.verb &&
    ours.group === request.group &&
    ours.resource === request.resource &&
    ours.subresource === request.subresource &&
    (ours.namespace === request.namespace || ours.namespace === ALL_NAMESPACES) &&
    // A POST has no name in its path; ours is the one in its body.
    (ours.name === '' || ours.name === request.name || (ours.verb === 'create' && request.name === ''))
  );
}

/** `get`, or `get secrets`, or the whole attribute. */
const isExpected = (one: ResourceAttributes, unasked: Readonly<Record<string, string>>): boolean =>
  Object.keys(unasked).some((key) => one.verb === key || describeAttributes(one).startsWith(`${key} `));
