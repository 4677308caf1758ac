import type { CommandContext } from '../../config/config.ts';
import { ALL_NAMESPACES, describeAttributes, type ResourceAttributes } from '../../kubernetes/attributes.ts';
import type { CommandRequest, Invocation } from '../invocation.ts';
import { isSubdomain } from '../names.ts';
import type { Parsed } from '../parsed.ts';
import { noPods } from '../pod-security/findings.ts';
import { holdsData, shownWords } from '../redact-words.ts';
import { scopeGuard } from '../kubectl/scope-guard.ts';
import { refuse } from '../../lib/refuse.ts';
import { createCall, type HelmCall } from './call.ts';
import type { Lookup } from './lookups.ts';
import type { UploadedChart } from './chart.ts';
import { DEBUG_DROPPED, flagTables, type FlagTable, type HelmVerb } from './flags.ts';

const HELM_TIMEOUT_SECONDS = 300;
/** helm's limit (pkg/chart/common/util, maxReleaseNameLen): a release's name becomes part of labels. */
const LONGEST_RELEASE = 53;

const refusedCommands: Readonly<Record<string, string>> = {
  completion: 'writes a shell script for your own terminal; run helm yourself',
  create: 'writes files where the command runs, which are gone with it; run helm yourself',
  dependency: 'fetches charts; run helm dependency build yourself and send the folder',
  get: 'needs to be told what to get: all, hooks, manifest, metadata, notes or values',
  help: 'is not relayed; run helm yourself',
  package: 'writes files where the command runs, which are gone with it; run helm yourself',
  plugin: 'installs and runs programs',
  pull: 'fetches a chart that nobody has seen; pull it yourself and send it, as a folder or a .tgz',
  push: 'sends a chart elsewhere',
  registry: 'logs in elsewhere',
  repo: 'fetches from elsewhere; send the chart, as a folder or a .tgz',
  search: 'asks elsewhere, not the cluster; run helm yourself',
  show: 'needs to be told what to show: all, chart, crds, readme or values',
  verify: 'checks a packed chart against a key ring, and the machine that runs the command has neither',
};

/**
 * A helm command's meaning (policy/README.md). Throws Problem `command-refused`, naming the word and the reason,
 * for whatever is not understood to the last flag.
 */
export function interpretHelm(
  parsed: Parsed,
  request: CommandRequest,
  context: CommandContext,
  helm?: string,
): Invocation {
  const verb = verbOf(parsed);
  const call = createCall(parsed, request, context, helm);
  const { words: positionals, charts, attributes } = readers[verb](call);
  const words = ['helm', ...parsed.path, ...sentFlags(verb, call), ...positionals];
  if (request.stdin !== undefined && call.learnt.stdin === undefined) {
    throw refuse('stdin', 'is not read by this command; helm reads it only as --values=-');
  }
  return {
    tool: 'helm',
    verb,
    asked: request.argv,
    argv: shownWords(request.argv),
    attributes,
    // A chart can hold anything: the right to install it is not a matter of single pods.
    podSecurity: noPods,
    charts: charts.map(({ folder, digest }) => ({ path: folder, digest })),
    sent: {
      words,
      // What a chart looks up: helm too ignores a namespace that does not fit.
      guard: scopeGuard(attributes, context),
      files: call.uploads.used,
      stdin: call.learnt.stdin,
      secret: call.learnt.secret || holdsData(words),
    },
    warnings: call.learnt.warnings,
  };
}

function verbOf({ path }: Parsed): HelmVerb {
  const verb = path.join(' ');
  if (isVerb(verb)) return verb;
  throw refuse(verb, refusedCommands[path[0] ?? ''] ?? 'is not a helm command that the gateway relays');
}

const isVerb = (verb: string): verb is HelmVerb => Object.hasOwn(flagTables, verb);

/**
 * Each flag as one word with its value. helm reads its global flags twice, the first time skipping flags that it does not know with
 * their values still there (cmd/helm/root.go): apart, a value `--kube-token=x` would be taken for a flag.
 */
function sentFlags(verb: HelmVerb, call: HelmCall): string[] {
  const table: FlagTable = flagTables[verb];
  const words: string[] = [];
  for (const [name, values] of call.parsed.flags) {
    if (name === 'namespace') continue;
    const rule = Object.hasOwn(table, name) ? table[name] : name === 'debug' ? DEBUG_DROPPED : undefined;
    if (rule === undefined) throw refuse(`--${name}`, `is not a flag of helm ${verb} that the gateway relays`);
    if (rule.kind === 'refused') throw refuse(`--${name}`, rule.why);
    if (rule.kind === 'dropped') {
      call.warn(rule.warning);
      continue;
    }
    for (const value of values) words.push(`--${name}=${rule.send(value, call, name)}`);
  }
  // helm's own default is five minutes.
  const waits = 'timeout' in table && verb !== 'template' && !call.parsed.flags.has('timeout');
  if (waits) words.push(`--timeout=${Math.min(call.mostSeconds, HELM_TIMEOUT_SECONDS)}s`);
  // Inside the pod the default would be the service account's own namespace, aks-command.
  if (verb !== 'version' && verb !== 'env') words.push(`--namespace=${call.namespace}`);
  return words;
}

interface Read {
  /** The positional words that are sent. */
  readonly words: readonly string[];
  readonly charts: readonly UploadedChart[];
  readonly attributes: readonly ResourceAttributes[];
}

type Reader = (call: HelmCall) => Read;

const readers: Readonly<Record<HelmVerb, Reader>> = {
  list: (call) => {
    positionals(call, 0, 0, 'no name');
    const namespace = call.isOn('all-namespaces') ? ALL_NAMESPACES : call.namespace;
    return { words: [], charts: [], attributes: [release(call, 'list', '', namespace)] };
  },
  // As JSON or YAML it is the whole release, values and manifest in it.
  status: ofRelease('get', (call) => call.isOn('show-resources') || call.isOn('debug') || printsRelease(call)),
  history: ofRelease('get', () => false),
  'get notes': ofRelease('get', () => false),
  'get metadata': ofRelease('get', () => false),
  'get all': ofRelease('get', () => true),
  'get hooks': ofRelease('get', () => true),
  'get manifest': ofRelease('get', () => true),
  'get values': ofRelease('get', () => true),
  install: ofChart(['install']),
  upgrade: (call) => ofChart(call.isOn('install') ? ['install', 'upgrade'] : ['upgrade'])(call),
  rollback: (call) => {
    const [name = '', revision] = positionals(call, 1, 2, 'a release and perhaps a revision');
    if (revision !== undefined && !/^\d{1,9}$/u.test(revision))
      throw refuse(revision, 'is not the number of a revision');
    return {
      words: [checkRelease(name), ...(revision === undefined ? [] : [revision])],
      charts: [],
      attributes: [release(call, 'rollback', name)],
    };
  },
  uninstall: (call) => {
    const names = positionals(call, 1, 100, 'one or more releases').map(checkRelease);
    return { words: names, charts: [], attributes: names.map((name) => release(call, 'uninstall', name)) };
  },
  test: (call) => {
    const [name = ''] = positionals(call, 1, 1, 'a release');
    const logs = call.isOn('logs') ? [podRead(call, ''), podRead(call, 'log')] : [];
    return { words: [checkRelease(name)], charts: [], attributes: [release(call, 'test', name), ...logs] };
  },
  template: (call) => {
    const words = positionals(call, 1, 2, 'perhaps a name, and a chart');
    const name = words.length === 2 ? [checkRelease(words[0] ?? '')] : [];
    const chart = call.readChart(words.at(-1) ?? '');
    return { words: [...name, chart.word], charts: [chart], attributes: renderingNeeds(call, chart) };
  },
  lint: (call) => {
    const charts = positionals(call, 1, 20, 'one or more charts').map((word) => call.readChart(word));
    return { words: charts.map(({ word }) => word), charts, attributes: [] };
  },
  'dependency list': showChart,
  'show all': showChart,
  'show chart': showChart,
  'show crds': showChart,
  'show readme': showChart,
  'show values': showChart,
  version: (call) => {
    positionals(call, 0, 0, 'no name');
    return nothingAsked([]);
  },
  env: (call) => {
    const [name] = positionals(call, 0, 1, 'perhaps the name of a variable');
    if (name !== undefined && !/^HELM_[A-Z_]{1,40}$/u.test(name)) throw refuse(name, "is not one of helm's variables");
    return nothingAsked(name === undefined ? [] : [name]);
  },
};

const nothingAsked = (words: readonly string[]): Read => ({ words, charts: [], attributes: [] });

function showChart(call: HelmCall): Read {
  const [word = ''] = positionals(call, 1, 1, 'a chart');
  const chart = call.readChart(word);
  return { words: [chart.word], charts: [chart], attributes: [] };
}

/** A verb on one release; some print what the release's Secret holds, and with it every secret of the chart. */
function ofRelease(verb: string, printsSecrets: (call: HelmCall) => boolean): Reader {
  return (call) => {
    const [name = ''] = positionals(call, 1, 1, 'a release');
    return {
      words: [checkRelease(name)],
      charts: [],
      attributes: [release(call, verb, name), ...(printsSecrets(call) ? [secrets(call, 'get')] : [])],
    };
  };
}

function ofChart(verbs: readonly string[]): Reader {
  return (call) => {
    // With a name that helm makes up, the right has to be to any.
    const [name, word] = call.isOn('generate-name')
      ? ['', positionals(call, 1, 1, 'a chart beside --generate-name')[0] ?? '']
      : releaseAndChart(call);
    const chart = call.readChart(word);
    const namespaces = call.isOn('create-namespace')
      ? [{ verb: 'create', group: '', resource: 'namespaces', subresource: '', namespace: '', name: call.namespace }]
      : [];
    // With --debug it prints the values of the release, those that it keeps from before too (cmd/helm, statusPrinter).
    const printed = isDryRun(call) || call.isOn('debug') || printsRelease(call) ? [secrets(call, 'get')] : [];
    return {
      words: [...(name === '' ? [] : [name]), chart.word],
      charts: [chart],
      attributes: [
        ...verbs.map((verb) => release(call, verb, name)),
        ...namespaces,
        ...printed,
        // Rendered for the client alone, a lookup finds nothing.
        ...(isDryRun(call) && !isServerSide(call) ? [] : lookupNeeds(call, chart)),
      ],
    };
  };
}

function releaseAndChart(call: HelmCall): readonly [name: string, word: string] {
  const [name = '', word = ''] = positionals(call, 2, 2, 'a release and a chart');
  return [checkRelease(name), word];
}

/** template prints all that it renders; alone it asks the cluster nothing, and a `lookup` finds nothing. */
function renderingNeeds(call: HelmCall, chart: UploadedChart): readonly ResourceAttributes[] {
  const server = isServerSide(call);
  const printed = server || chart.lookups.length > 0 ? [secrets(call, 'get')] : [];
  return [...printed, ...(server ? lookupNeeds(call, chart) : [])];
}

/** What the chart's templates look up becomes part of the release, and of what is printed. */
function lookupNeeds(call: HelmCall, { lookups }: UploadedChart): readonly ResourceAttributes[] {
  const needs = lookups.flatMap((one) => needsOfLookup(call, one));
  return [...new Map(needs.map((one) => [describeAttributes(one), one])).values()];
}

/** Where the template does not say what it looks up, that is any object of any namespace: Secrets stand for the worst of it. */
function needsOfLookup({ catalog }: HelmCall, { apiVersion, kind, namespace, name }: Lookup): ResourceAttributes[] {
  const known = apiVersion !== undefined && kind !== undefined;
  const type = known ? catalog.ofKind(apiVersion, kind) : catalog.builtIn('secrets');
  if (type === undefined) {
    throw refuse(
      `${kind}.${apiVersion}`,
      'is looked up by the chart and is not a kind that the gateway knows for this cluster; the operator can add custom resources under clusters.<name>.resources',
    );
  }
  const { group, resource, namespaced } = type;
  // Without a name helm lists.
  const named = known && name !== undefined && name !== '' ? name : '';
  return (named === '' ? ['get', 'list'] : ['get']).map((verb) => ({
    verb,
    group,
    resource,
    subresource: '',
    namespace: namespaced ? (known && namespace) || ALL_NAMESPACES : '',
    name: named,
  }));
}

const isDryRun = (call: HelmCall): boolean => !['none', 'false', undefined].includes(call.flag('dry-run'));
const isServerSide = (call: HelmCall): boolean => call.isOn('validate') || call.flag('dry-run') === 'server';
const printsRelease = (call: HelmCall): boolean => ['json', 'yaml'].includes(call.flag('output') ?? '');

const release = (call: HelmCall, verb: string, name: string, namespace = call.namespace): ResourceAttributes => ({
  verb,
  group: 'helm.sh',
  resource: 'releases',
  subresource: '',
  namespace,
  name,
});

const secrets = (call: HelmCall, verb: string): ResourceAttributes => ({
  verb,
  group: '',
  resource: 'secrets',
  subresource: '',
  namespace: call.namespace,
  name: '',
});

const podRead = (call: HelmCall, subresource: string): ResourceAttributes => ({
  verb: 'get',
  group: '',
  resource: 'pods',
  subresource,
  namespace: call.namespace,
  name: '',
});

function checkRelease(name: string): string {
  if (isSubdomain(name) && name.length <= LONGEST_RELEASE) return name;
  throw refuse(name, 'is not a name that a release can have');
}

function positionals({ parsed }: HelmCall, least: number, most: number, wanted: string): readonly string[] {
  const { args, path } = parsed;
  if (args.length >= least && args.length <= most) return args;
  throw refuse(args[most] ?? path.join(' '), `helm ${path.join(' ')} takes ${wanted}`);
}
