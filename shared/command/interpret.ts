import type { CommandContext } from '../config/config.ts';
import { helpFor } from './help.ts';
import { interpretHelm } from './helm/interpret.ts';
import { checkVersions } from './grammar/versions.ts';
import type { CommandRequest, Invocation } from './invocation.ts';
import { interpretKubectl } from './kubectl/interpret.ts';
import { parse } from './parse.ts';
import type { Parsed } from './parsed.ts';
import { noPods } from './pod-security/findings.ts';
import type { PodTools } from './pod-tools.ts';
import { shownWords } from './redact-words.ts';
import { yamlBudget } from './yaml.ts';

/**
 * What a command means: what Kubernetes will be asked, and the words and files that are sent for it. Throws Problem
 * `command-refused` with members `word` and `why`; nothing else, whatever the input. `tools` are those of the pod that will run it, once
 * they are known.
 */
export function interpret(request: CommandRequest, context: CommandContext, tools?: PodTools): Invocation {
  const help = helpFor(request.argv);
  if (help !== undefined) return helping(request, help);
  const parsed = parse(request.argv);
  const invocation = meaningOf(parsed, { ...request, budget: request.budget ?? yamlBudget() }, context, tools);
  const warnings = checkVersions(parsed, tools);
  return warnings.length === 0 ? invocation : { ...invocation, warnings: [...warnings, ...invocation.warnings] };
}

function meaningOf(
  parsed: Parsed,
  request: CommandRequest,
  context: CommandContext,
  tools: PodTools | undefined,
): Invocation {
  return parsed.tool === 'kubectl'
    ? interpretKubectl(parsed, request, context)
    : interpretHelm(parsed, request, context, tools?.helm);
}

/** Asked of no cluster: the gateway answers. */
const helping = ({ argv }: CommandRequest, stdout: string): Invocation => ({
  tool: argv[0] === 'helm' ? 'helm' : 'kubectl',
  verb: 'help',
  asked: argv,
  argv: shownWords(argv),
  attributes: [],
  podSecurity: noPods,
  charts: [],
  sent: { words: [argv[0] ?? '', 'help'], files: [], secret: false },
  answer: { kind: 'text', stdout },
  warnings: [],
});
