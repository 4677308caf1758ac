import type { CommandContext } from '../../config/config.ts';
import { createUploads, usedTwice } from '../files.ts';
import { csvWord } from '../grammar/values.ts';
import type { CommandRequest, Invocation, SentFile } from '../invocation.ts';
import { checkNamespace } from '../names.ts';
import type { Parsed } from '../parsed.ts';
import { noPods } from '../pod-security/findings.ts';
import { redactWords } from '../redact-words.ts';
import { refuse } from '../../lib/refuse.ts';
import { catalogOf } from '../../kubernetes/resources.ts';
import { spellOut } from './defaults.ts';
import { yamlBudget } from '../yaml.ts';
import { createNeeds } from './needs.ts';
import { programWords } from '../program.ts';
import { scopeGuard } from './scope-guard.ts';
import { timeLimits, windowOf } from './time-limits.ts';
import type { Call, Lesser, Meaning, Verb } from './verb.ts';
import { refusedVerbs, verbs } from './verbs.ts';

/**
 * What a kubectl command means, and the words that are sent for it. Nothing goes out that is neither a constant of the gateway
 * nor a value that was parsed and understood. Throws Problem `command-refused`.
 */
export function interpretKubectl(parsed: Parsed, request: CommandRequest, context: CommandContext): Invocation {
  const { command } = parsed;
  const path = command.name;
  const verb = verbs.get(path);
  if (verb === undefined) throw refuse(path, whyNot(parsed.path));
  const warnings: string[] = [];
  const call = createCall(parsed, request, context, warnings);
  const given = sentFlags(verb, call, path);
  const meaning = within(call, path, verb.means(call));
  const { lesser } = meaning;
  if (request.stdin !== undefined && meaning.stdin === undefined) {
    throw refuse('stdin', `is not read by kubectl ${path}; it is for -f - and for exec and attach with -i`);
  }
  const words = meaning.words ?? rebuild(verb, call, given, meaning);
  const program = meaning.program?.(words);
  const guard = scopeGuard(call.needs.all, context);
  const recorded = redactWords(request.argv);
  return {
    tool: 'kubectl',
    verb: path,
    asked: request.argv,
    argv: recorded.map(({ text }) => text),
    attributes: call.needs.all,
    podSecurity: meaning.podSecurity ?? noPods,
    charts: [],
    sent: {
      words: program === undefined ? words : programWords(program),
      program,
      guard,
      files: sentFiles(meaning.files ?? [], call.uploads.used),
      stdin: meaning.stdin,
      // What goes out is made of what came in.
      secret: meaning.secret === true || recorded.some(({ hidden }) => hidden !== undefined),
    },
    warnings,
    answer: meaning.answer,
    windowSeconds: windowOf(call, path),
    lesser: lesser && (() => withLess(parsed, request, context, lesser)),
  };
}

/** The meaning, with the tool's waits inside the command's own time limit. */
function within(call: Call, path: string, meaning: Meaning): Meaning {
  const limits = timeLimits(call, path);
  return limits === undefined ? meaning : { ...meaning, flags: { ...meaning.flags, ...limits } };
}

/** The command as if the caller had written it so. */
function withLess(
  parsed: Parsed,
  request: CommandRequest,
  context: CommandContext,
  { args = parsed.args, flags = {}, warning }: Lesser,
): Invocation {
  const given = Object.entries(flags).map(([name, value]) => [name, [value]] as const);
  const less = { ...parsed, args, flags: new Map([...parsed.flags, ...given]) };
  const invocation = interpretKubectl(less, request, context);
  return { ...invocation, warnings: [...invocation.warnings, warning] };
}

function whyNot(path: readonly string[]): string {
  for (let length = path.length; length > 0; length--) {
    const why = refusedVerbs.get(path.slice(0, length).join(' '));
    if (why !== undefined) return why;
  }
  return path.length === 0 ? 'say what kubectl should do' : 'is not a verb of kubectl that the gateway relays';
}

function createCall(parsed: Parsed, request: CommandRequest, context: CommandContext, warnings: string[]): Call {
  const flag = (name: string): string | undefined => parsed.flags.get(name)?.at(-1);
  const given = flag('namespace');
  return {
    parsed,
    request,
    context,
    catalog: catalogOf(context.resources, context.discovered),
    uploads: createUploads(request.files),
    yamlBudget: request.budget ?? yamlBudget(),
    namespace: given === undefined || given === '' ? context.defaultNamespace : checkNamespace(given),
    namespaceGiven: given !== undefined && given !== '',
    needs: createNeeds(),
    flag,
    flags: (name) => parsed.flags.get(name) ?? [],
    on: (name) => flag(name) === 'true',
    warn: (warning) => warnings.push(warning),
  };
}

const NOT_RECORDED =
  '--record was left out: kubectl has given it up. To say why, kubectl annotate … kubernetes.io/change-cause="…".';

type Flags = ReadonlyMap<string, readonly string[]>;

/** The flags of the call, each checked, with the values that go out for them. */
function sentFlags(verb: Verb, call: Call, path: string): Flags {
  const flags = new Map<string, readonly string[]>();
  for (const [name, values] of call.parsed.flags) {
    const rule = Object.hasOwn(verb.flags, name) ? verb.flags[name] : undefined;
    if (name === 'in-cluster') continue;
    if (name === 'record') {
      if (values.at(-1) !== 'false') call.warn(NOT_RECORDED);
      continue;
    }
    if (rule === undefined) throw refuse(`--${name}`, `is a flag of kubectl ${path} that the gateway does not relay`);
    if (rule.kind === 'refused') {
      // A boolean that says no more than the default changes nothing.
      if (values.at(-1) !== 'false') throw refuse(`--${name}`, rule.why);
      continue;
    }
    if (rule.kind === 'dropped') {
      if (values.at(-1) !== 'false') call.warn(rule.warning);
      continue;
    }
    const { send } = rule;
    flags.set(name, send === undefined ? values : values.map((value) => send(value, call, `--${name}`)));
  }
  return flags;
}

/** The words in their one form: verb, what it is about, `--flag=value` each, the namespace last, then the container's command. */
function rebuild(verb: Verb, call: Call, given: Flags, meaning: Meaning): string[] {
  const { command } = call.parsed;
  const words = ['kubectl', ...command.path, ...meaning.args];
  const changed = meaning.flags ?? {};
  const put = (name: string, values: readonly string[]): void => {
    const csv = command.long(name)?.type === 'csv';
    for (const value of values) words.push(`--${name}=${csv ? csvWord(value) : value}`);
  };
  for (const [name, values] of given) if (name !== 'namespace' && !Object.hasOwn(changed, name)) put(name, values);
  for (const name in changed) put(name, changed[name] ?? []);
  for (const [name, value] of spellOut(verb, call)) if (!Object.hasOwn(changed, name)) put(name, [value]);
  if (meaning.namespace !== 'none') words.push(`--namespace=${call.namespace}`);
  if (meaning.tail !== undefined) words.push('--', ...meaning.tail);
  return words;
}

/** Under one name goes one content: what was rewritten must not be replaced by the same file as it came. */
function sentFiles(written: readonly SentFile[], used: readonly SentFile[]): SentFile[] {
  const files = [...written, ...used];
  const names = new Set<string>();
  for (const { path } of files) {
    if (names.has(path)) throw usedTwice(path);
    names.add(path);
  }
  return files;
}
