import { readFileSync } from 'node:fs';
import { interpret } from '../../../shared/command/interpret.ts';
import { splitWords } from '../../../shared/command/words.ts';
import { parseConfig } from '../../../shared/config/load.ts';
import { Problem } from '../../../shared/errors.ts';
import type { Principal } from '../../../shared/identity/principal.ts';
import { judge } from '../../../shared/policy/judge.ts';
import { compilePolicy } from '../../../shared/policy/policy.ts';
import { stdin, uploads } from './uploads.ts';

/**
 * Commands that people type at clusters, by where they were read: documentation, cheat sheets, runbooks. Placeholders stand for names here, the
 * part before a pipe for the whole, and the namespace for a team's. A line is the verdicts for viewer, deployer and operator of
 * infra/policies (`a` allowed, `d` denied, `r` refused), for what is refused why it must be (a key of refused.ts), and the command.
 */
export interface Listed {
  readonly source: string;
  readonly command: string;
  readonly verdicts: string;
  /** A key of refused.ts. */
  readonly why: string;
}

export const LIST = new URL('commands.tsv', import.meta.url);

export function readList(): readonly Listed[] {
  let source = '';
  return readFileSync(LIST, 'utf8')
    .split('\n')
    .flatMap((line): Listed[] => {
      if (line.startsWith('# ')) source = line.slice(2);
      const [verdicts, why, command] = line.split('\t');
      return verdicts === undefined || why === undefined || command === undefined
        ? []
        : [{ source, command, verdicts, why }];
    });
}

const file = new URL('../../../infra/policies/gateway.yaml', import.meta.url);
const config = parseConfig(readFileSync(file, 'utf8'), { baseDir: '/srv', source: 'gateway.yaml' });
const policy = compilePolicy(config);
const stage = config.clusters.get('stage');
if (stage === undefined) throw new Error('infra/policies has no cluster stage');
/** A team's cluster: what names no namespace is about its own. */
const cluster = { ...stage, defaultNamespace: 'shop' };

const holder = (appRole: string): Principal => ({
  kind: 'user',
  tid: config.identity.tenants[0] ?? '',
  oid: 'bbbbbbbb-0000-4000-8000-000000000001',
  azp: '',
  uti: '',
  roles: [appRole],
  scopes: [],
  groups: { known: true, ids: [] },
});
const who = [holder('Viewer'), holder('Shop.Deployer'), holder('Operator')];

/** The verdicts of today, and the words with which a command is refused or denied. */
export function judgeCommand(command: string): { readonly verdicts: string; readonly why: readonly string[] } {
  try {
    const argv = splitWords(command);
    const reads = argv.some((word, at) => word === '-' && /^(?:-f|--filename)$/u.test(argv[at - 1] ?? ''));
    const request = {
      argv,
      files: uploads,
      stdin: reads ? stdin : undefined,
      timeoutSeconds: 300,
    };
    const invocation = interpret(request, cluster);
    const decisions = who.map(
      (principal) => judge(policy, invocation, { principal, cluster, reason: 'INC-1234' }).decision,
    );
    return {
      verdicts: decisions.map(({ verdict }) => verdict.charAt(0)).join(''),
      why: decisions.flatMap((one) => (one.verdict === 'deny' ? [one.explanation] : [])),
    };
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'command-refused') throw error;
    return { verdicts: 'rrr', why: [error.message] };
  }
}
