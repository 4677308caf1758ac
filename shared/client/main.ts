import { printable } from '../lib/safe-text.ts';
import type { Options } from './connect.ts';
import { exits } from './exits.ts';
import { oneLine, red, type Host } from './host.ts';
import { readCall, type Call } from './call.ts';
import { helpOf, helps, usage } from './help.ts';
import { version } from './version.ts';

/** Runs the wrapper, under the name it was called by; resolves with its exit code and never throws. */
export async function main(argv: readonly string[], host: Host, calledAs = 'aksgw'): Promise<number> {
  try {
    return await dispatch(readCall(argv, host.env, calledAs), host);
  } catch (error) {
    return explainFailure(error, host);
  }
}

async function dispatch({ options, words }: Call, host: Host): Promise<number> {
  const [name, ...rest] = words;
  if (name === undefined) {
    host.stderr.write(usage());
    return exits.usage;
  }
  if (name === 'help' || name === '--help' || name === '-h') {
    host.stdout.write(rest[0] !== undefined && Object.hasOwn(helps, rest[0]) ? helpOf(rest[0]) : usage());
    return 0;
  }
  if (name === '--version' || name === 'version') {
    host.stdout.write(`aksgw ${version}\n`);
    return 0;
  }
  if (isHelp(name, rest)) {
    host.stdout.write(helpOf(name));
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command) return command(rest, options, host);
  const { UsageError } = await import('./exits.ts');
  throw new UsageError(`there is no ${JSON.stringify(name)}; see aksgw --help`);
}

/** Help that is the wrapper's own: of kubectl, helm and explain, what follows is theirs; operators' commands have their own. */
const isHelp = (name: string, rest: readonly string[]): boolean =>
  Object.hasOwn(helps, name) &&
  !operatorNouns.has(name) &&
  !(name === 'config' && operatorConfig.test(rest[0] ?? '')) &&
  !ownHelp.has(name) &&
  (relayed.has(name)
    ? rest.length === 1 && /^(?:--help|-h|help)$/.test(rest[0] ?? '')
    : rest.some((word) => word === '--help' || word === '-h'));

const relayed: ReadonlySet<string> = new Set(['kubectl', 'helm', 'explain']);
const ownHelp: ReadonlySet<string> = new Set(['jobs', 'health']);
const operatorNouns: ReadonlySet<string> = new Set(['audit', 'policy', 'doctor']);
const operatorConfig = /^(?:check|sign)$/;

type Command = (words: readonly string[], options: Options, host: Host) => Promise<number>;

const operator: Command = async (words, _, host) => (await import('./operator/main.ts')).operator(words, host);
const asks = (name: 'access' | 'whoAmI'): Command =>
  withWords(0, '', async (_, options, host) => (await import('./commands/asks.ts'))[name](options, host));
const ofOne = (form: string, run: (word: string, options: Options, host: Host) => Promise<number>): Command =>
  withWords(1, form, ([word = ''], options, host) => run(word, options, host));

const commands: Readonly<Record<string, Command>> = {
  kubectl: async (words, options, host) =>
    (await import('./commands/relay.ts')).relay(['kubectl', ...words], options, host),
  helm: async (words, options, host) => (await import('./commands/relay.ts')).relay(['helm', ...words], options, host),
  login: async (words, options, host) => (await import('./commands/login.ts')).login(words, options, host),
  logout: withWords(0, '', async (_, options, host) => (await import('./commands/login.ts')).logout(options, host)),
  whoami: asks('whoAmI'),
  config: async (words, options, host) =>
    operatorConfig.test(words[0] ?? '')
      ? operator(['config', ...words], options, host)
      : (await import('./contexts/config.ts')).contextCommand(words, host),
  clusters: async (words, options, host) => (await import('./commands/asks.ts')).clusters(words, options, host),
  access: asks('access'),
  explain: async (words, options, host) => (await import('./commands/asks.ts')).explain(words, options, host),
  ps: withWords(0, '', async (_, options, host) => (await import('./commands/records.ts')).ps(options, host)),
  wait: ofOne('ID', async (id, options, host) => (await import('./commands/records.ts')).waitFor(id, options, host)),
  result: ofOne('ID', async (id, options, host) => (await import('./commands/records.ts')).result(id, options, host)),
  cancel: ofOne('ID', async (id, options, host) => (await import('./commands/records.ts')).cancel(id, options, host)),
  rerun: ofOne('ID', async (id, options, host) => (await import('./commands/relay.ts')).rerun(id, options, host)),
  batch: ofOne('FILE', async (file, options, host) => (await import('./commands/batch.ts')).batch(file, options, host)),
  jobs: async (words, options, host) => (await import('./commands/jobs.ts')).jobs(words, options, host),
  completion: ofOne('bash, zsh, fish or powershell', async (shell, _, host) =>
    (await import('./commands/completion.ts')).completion(shell, host),
  ),
  __complete: async (words, _, host) => (await import('./commands/completion.ts')).complete(words, host),
  health: async (words, options, host) => (await import('./commands/health.ts')).health(words, options, host),
  audit: (words, options, host) => operator(['audit', ...words], options, host),
  policy: (words, options, host) => operator(['policy', ...words], options, host),
  doctor: (words, options, host) => operator(['doctor', ...words], options, host),
};

/** A command of so many words. */
function withWords(count: number, form: string, run: Command): Command {
  return async (words, options, host) => {
    if (words.length === count) return run(words, options, host);
    const { UsageError } = await import('./exits.ts');
    throw new UsageError(count === 0 ? `takes no ${JSON.stringify(words[0])}` : `takes ${form}, and nothing else`);
  };
}

/** By name, so that nothing is loaded to tell of what did not happen. */
const usageErrors: ReadonlySet<string> = new Set(['UsageError', 'UploadRefused']);

function explainFailure(error: unknown, host: Host): number {
  const { name, message, problem, code } = error as Error & {
    problem?: { code: string; detail: string; next?: string };
    code?: unknown;
  };
  if (host.signal?.aborted) return exits.interrupted;
  if (name === 'GatewayProblem' && problem) {
    const hint = problem.code.startsWith('token-')
      ? '\n       aksgw login signs you in again; AKSGW_TOKEN comes before it'
      : '';
    host.stderr.write(
      `${red(host, printable(`aksgw: ${oneLine(problem.code)}`))}${printable(`: ${oneLine(problem.detail)}\n       ${oneLine(problem.next ?? '')}${hint}\n`)}`,
    );
    return exits.notRun;
  }
  // An answer of another shape than a gateway's, or deeper than can be shown; Node's own such errors have a code.
  if ((name === 'TypeError' || name === 'RangeError') && code === undefined) {
    host.stderr.write(
      printable(`aksgw: the answer is not understood (${message}): something stands before the gateway\n`),
    );
    return exits.unknown;
  }
  const hint =
    name === 'Unreachable' ? '\n       nothing was sent; is the address right (--url, AKSGW_URL, the context)?' : '';
  host.stderr.write(printable(`aksgw: ${error instanceof Error ? message : String(error)}${hint}\n`));
  if (usageErrors.has(name) || (typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS'))) return exits.usage;
  // What was asked for was sent, and no gateway's answer came.
  return name === 'AnswerLost' ? exits.unknown : exits.notRun;
}
