import { csvWord, durationMs } from '../grammar/values.ts';
import { refuse } from '../../lib/refuse.ts';
import { cutWarning } from '../time-limits.ts';
import type { HelmCall } from './call.ts';

/** What becomes of one value of a flag: the word that is sent, or a refusal thrown. */
type Send = (value: string, call: HelmCall, flag: string) => string;
type FlagRule =
  | { readonly kind: 'sent'; readonly send: Send }
  /** Left out, which the caller is told. */
  | { readonly kind: 'dropped'; readonly warning: string }
  | { readonly kind: 'refused'; readonly why: string };
export type FlagTable = Readonly<Record<string, FlagRule>>;

const MOST_VALUES_BYTES = 1024 * 1024;

const rule = (send: Send): FlagRule => ({ kind: 'sent', send });
const refused = (why: string): FlagRule => ({ kind: 'refused', why });
const dropped = (warning: string): FlagRule => ({ kind: 'dropped', warning });

/** Chooses among the charts of a repository; helm itself does nothing with them for a chart on disk. */
const choosing = {
  version: dropped('--version was left out: the chart is the one that was sent.'),
  devel: dropped('--devel was left out: the chart is the one that was sent.'),
} as const;
/** Of commands that print no more with it than where they are. */
export const DEBUG_DROPPED = dropped('--debug was left out: it is sent with install, upgrade, status and template.');

const plain = rule((value) => value);
const csv = rule((value) => csvWord(value));
const oneOf = (...words: string[]): FlagRule =>
  rule((value, _, flag) => {
    if (words.includes(value)) return value;
    throw refuse(`--${flag}=${value}`, `is not one of ${words.join(', ')}`);
  });

/** `--set` and its kin: the values are secret until proven otherwise, so the command travels in the context. */
const setting = rule((value, call) => {
  call.secret();
  return value;
});

/** A values file among the uploads, or `-` for stdin. A URL would be fetched by helm: no uploaded path can be one, as `./` leads. */
const valuesFile = rule((value, call) => {
  if (value === '-') {
    call.useStdin();
    return '-';
  }
  const { path, bytes } = call.uploads.use(value);
  if (bytes.byteLength > MOST_VALUES_BYTES) throw refuse(value, `is larger than ${MOST_VALUES_BYTES} bytes`);
  call.checkText(path, bytes);
  return csvWord(`./${path}`);
});

/** `key=path[,key=path…]`, without the escapes that helm knows there. */
const setFile = rule((value, call, flag) => {
  call.secret();
  return value
    .split(',')
    .map((pair) => {
      const match = /^(?<key>[A-Za-z0-9_.[\]/-]+)=(?<path>[^=:{}\\]+)$/u.exec(pair);
      const { key, path } = match?.groups ?? {};
      if (key === undefined || path === undefined) {
        throw refuse(
          `--${flag}`,
          'is key=path, with the path of a file sent with the request, or several with commas between them',
        );
      }
      return `${key}=./${call.uploads.use(path).path}`;
    })
    .join(',');
});

/** A wait that outlives the command would end with helm killed in the middle, and the release left as pending. */
const wait = rule((value, call, flag) => {
  const seconds = durationMs(value) / 1000;
  // Zero means no limit to helm's waits.
  if (seconds > 0 && seconds <= call.mostSeconds) return value;
  call.warn(cutWarning(`--${flag}`, value, call.mostSeconds));
  return `${call.mostSeconds}s`;
});

const output = { output: oneOf('table', 'json', 'yaml') };
const revision = { revision: plain };
const values = {
  set: setting,
  'set-string': setting,
  'set-json': setting,
  'set-literal': setting,
  'set-file': setFile,
  values: valuesFile,
};
/** The ways to wait of helm 4; a boolean before it (helm 4, pkg/cmd/flags.go, waitValue). */
const waitFor = oneOf('true', 'false', 'watcher', 'hookOnly', 'legacy');
const waiting = { timeout: wait, wait: waitFor, 'wait-for-jobs': plain };
const dryRuns = ['none', 'client', 'server', 'true', 'false'];

function readDryRun(value: string, flag: string, words: readonly string[]): string {
  if (words.includes(value)) return value;
  throw refuse(`--${flag}=${value}`, `is not one of ${words.join(', ')}`);
}

/** What a version that knows a boolean alone takes for `client` and `none`; the newer ones take it too. */
const asBoolean = (value: string): string => ({ client: 'true', none: 'false' })[value] ?? value;

/** A boolean until helm 3.12, a word since (3.13, cmd/helm/install.go, "dry-run options with expected outcome"). */
const dryRunOf = (words: readonly string[]): FlagRule =>
  rule((value, call, flag) => {
    const word = readDryRun(value, flag, words);
    return call.isBefore('3.13') ? asBoolean(word) : word;
  });
const dryRun = dryRunOf(dryRuns);
/** Told `none` or `false`, `helm template` still creates nothing, but looks things up in the cluster (pkg/action/install.go). */
const renderOnly = dryRunOf(['client', 'server', 'true']);
/** A boolean until helm 4. */
const simulate = rule((value, _, flag) => asBoolean(readDryRun(value, flag, dryRuns)));
/** helm 4: how objects are written. On what is there, by default as the release was written before. */
const replacing = { force: plain, 'force-replace': plain, 'force-conflicts': plain };
const serverSide = oneOf('true', 'false', 'auto');

/** What renders a chart: the same for install, upgrade and template. */
const rendering: FlagTable = {
  ...values,
  ...choosing,
  debug: plain,
  'dry-run': dryRun,
  description: plain,
  'disable-openapi-validation': plain,
  'enable-dns': refused('lets templates look up names while they are rendered, which carries data out'),
  'hide-notes': plain,
  'no-hooks': plain,
  'render-subchart-notes': plain,
  'skip-crds': plain,
  'skip-schema-validation': plain,
  'name-template': refused('makes up the name of the release, on which policy decides; give the name'),
  'generate-name': plain,
};

const changing: FlagTable = {
  ...rendering,
  ...waiting,
  ...output,
  atomic: plain,
  'rollback-on-failure': plain,
  'create-namespace': plain,
  ...replacing,
  'hide-secret': plain,
  labels: plain,
  'take-ownership': plain,
};

/** By command, every flag that is sent. A flag in no table is refused: nothing goes out that was not thought about. */
export const flagTables = {
  list: {
    all: plain,
    'all-namespaces': plain,
    date: plain,
    deployed: plain,
    failed: plain,
    filter: plain,
    max: plain,
    'no-headers': plain,
    offset: plain,
    ...output,
    pending: plain,
    reverse: plain,
    selector: plain,
    short: plain,
    superseded: plain,
    'time-format': plain,
    uninstalled: plain,
    uninstalling: plain,
  },
  status: { ...revision, ...output, debug: plain, 'show-desc': plain, 'show-resources': plain },
  history: { max: plain, ...output, 'show-rollback-revision': plain },
  'get all': { ...revision, template: plain },
  'get hooks': revision,
  'get manifest': revision,
  'get metadata': { ...revision, ...output },
  'get notes': revision,
  'get values': { ...revision, ...output, all: plain },
  install: { ...changing, replace: plain, 'server-side': plain },
  upgrade: {
    ...changing,
    'server-side': serverSide,
    install: plain,
    'cleanup-on-fail': plain,
    'history-max': plain,
    'reset-values': plain,
    'reuse-values': plain,
    'reset-then-reuse-values': plain,
  },
  rollback: {
    ...waiting,
    'cleanup-on-fail': plain,
    description: plain,
    'dry-run': simulate,
    ...replacing,
    'server-side': serverSide,
    'history-max': plain,
    'no-hooks': plain,
    'recreate-pods': plain,
  },
  uninstall: {
    timeout: wait,
    wait: waitFor,
    cascade: oneOf('background', 'orphan', 'foreground'),
    description: plain,
    'dry-run': simulate,
    'ignore-not-found': plain,
    'keep-history': plain,
    'no-hooks': plain,
  },
  test: { timeout: wait, filter: csv, logs: plain, 'hide-notes': plain },
  template: {
    ...rendering,
    'dry-run': renderOnly,
    timeout: wait,
    'api-versions': csv,
    'include-crds': plain,
    'is-upgrade': plain,
    'kube-version': plain,
    'release-name': plain,
    'show-only': plain,
    'skip-tests': plain,
    validate: plain,
  },
  lint: {
    ...values,
    'kube-version': plain,
    quiet: plain,
    strict: plain,
    'skip-schema-validation': plain,
    'with-subcharts': plain,
  },
  'dependency list': { 'max-col-width': plain },
  'show all': choosing,
  'show chart': choosing,
  'show crds': choosing,
  'show readme': choosing,
  'show values': { ...choosing, jsonpath: plain },
  version: { short: plain, template: plain },
  env: {},
} as const satisfies Record<string, FlagTable>;

export type HelmVerb = keyof typeof flagTables;
