import type { Options } from './connect.ts';
import { UsageError } from './exits.ts';

/** What the wrapper was asked for. */
export interface Call {
  readonly options: Options;
  /** The command and its words, the wrapper's own options taken off. */
  readonly words: readonly string[];
}

const valued = /^--(url|context|cluster|reason|timeout|output)(?:=(.*))?$/s;

/** kubectl looks for its plugins under this name (kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins). */
const PLUGIN = 'kubectl-aksgw';

/** Reads the wrapper's own options and, under another name, the tool it stands for. Throws UsageError. */
export function readCall(argv: readonly string[], env: NodeJS.ProcessEnv, calledAs: string): Call {
  const tool = calledAs.replace(/(?:\.[cm]?js|\.exe)$/i, '');
  // Standing in for a tool, every word is the tool's.
  if (tool === 'kubectl' && argv[0] === 'aksgw') return readCall(argv.slice(1), env, PLUGIN);
  if (tool === 'kubectl' || tool === 'helm') return { options: optionsOf(new Map(), env), words: [tool, ...argv] };
  const { given, rest } = readOptions(argv);
  const options = optionsOf(given, env);
  const own = rest[0] === undefined || ownOnly.has(rest[0]);
  return { options, words: tool === PLUGIN && !own ? ['kubectl', ...rest] : rest };
}

/** Under the plugin's name kubectl's verbs come directly; these words kubectl has not. */
const ownOnly: ReadonlySet<string> = new Set([
  'kubectl',
  'helm',
  'login',
  'logout',
  'whoami',
  'clusters',
  'ps',
  'result',
  'cancel',
  'rerun',
  'batch',
  'jobs',
  'health',
  'access',
  'help',
  '--help',
  '-h',
  '--version',
]);

function readOptions(argv: readonly string[]): { given: ReadonlyMap<string, string>; rest: readonly string[] } {
  const given = new Map<string, string>();
  let at = 0;
  for (; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (word === '--allow-truncated') {
      given.set('allow-truncated', 'true');
      continue;
    }
    const [, name, joined] = word === '-o' ? ['', 'output', undefined] : (valued.exec(word) ?? []);
    if (name === undefined) break;
    const value = joined ?? argv[++at];
    if (value === undefined) throw new UsageError(`--${name} needs a value`);
    given.set(name, value);
  }
  return { given, rest: argv.slice(at) };
}

function optionsOf(given: ReadonlyMap<string, string>, env: NodeJS.ProcessEnv): Options {
  const timeout = given.get('timeout');
  if (timeout !== undefined && !/^[1-9]\d{0,5}$/.test(timeout))
    throw new UsageError('--timeout is a number of seconds');
  const output = given.get('output');
  if (output !== undefined && output !== 'json') throw new UsageError('-o is json here; after kubectl it is kubectl’s');
  return {
    context: given.get('context') ?? (env['AKSGW_CONTEXT'] || undefined),
    url: given.get('url') ?? (env['AKSGW_URL'] || undefined),
    cluster: given.get('cluster') ?? (env['AKSGW_CLUSTER'] || undefined),
    reason: given.get('reason') ?? (env['AKSGW_REASON'] || undefined),
    timeoutSeconds: timeout === undefined ? undefined : Number(timeout),
    json: output === 'json',
    allowTruncated: given.has('allow-truncated'),
  };
}
