import type { ToolGrammar } from './grammar.ts';

const WHERE = "where the command goes is the cluster in the address, not the command's choice";
const WHO =
  "who runs the command is the caller of the gateway, not the command's choice; aksgw policy who-can tells what others may";
const TLS = "how the connection is secured is not the command's choice";
const LOCAL = 'it reads or writes files of the machine that runs the command';
const TUNING = 'it sets how the tool itself runs, which the gateway does';
const REMOTE =
  'it fetches content that nobody has seen; send the chart, as a folder or a .tgz (helm pull), with the request';
const PROGRAM = 'it runs a program of its own';
const HELP = 'help is not relayed; run the tool on your own machine to read it';

/** Flags of every command: refused when they are the tool's own global flags, or unknown here but known to other versions. */
const global: Readonly<Record<ToolGrammar['tool'], Readonly<Record<string, string>>>> = {
  kubectl: {
    server: WHERE,
    s: WHERE,
    kubeconfig: WHERE,
    context: WHERE,
    cluster: WHERE,
    'proxy-url': WHERE,
    token: WHO,
    user: WHO,
    username: WHO,
    password: WHO,
    as: WHO,
    'as-group': WHO,
    'as-uid': WHO,
    'as-user-extra': WHO,
    'certificate-authority': TLS,
    'client-certificate': TLS,
    'client-key': TLS,
    'insecure-skip-tls-verify': TLS,
    'tls-server-name': TLS,
    'cache-dir': LOCAL,
    profile: LOCAL,
    'profile-output': LOCAL,
    'log-dir': LOCAL,
    'log-file': LOCAL,
    kuberc: 'it injects flags and aliases from a file',
    vmodule: 'it can make the tool print tokens and bodies',
    'log-flush-frequency': TUNING,
    help: HELP,
    h: HELP,
  },
  helm: {
    'kube-apiserver': WHERE,
    'kube-context': WHERE,
    kubeconfig: WHERE,
    'kube-token': WHO,
    'kube-as-user': WHO,
    'kube-as-group': WHO,
    'kube-ca-file': TLS,
    'kube-insecure-skip-tls-verify': TLS,
    'kube-tls-server-name': TLS,
    'registry-config': LOCAL,
    'repository-cache': LOCAL,
    'repository-config': LOCAL,
    'content-cache': LOCAL,
    'burst-limit': TUNING,
    qps: TUNING,
    help: HELP,
    h: HELP,
  },
};

/** Flags that are refused wherever a command has them as its own. */
const local: Readonly<Record<ToolGrammar['tool'], Readonly<Record<string, string>>>> = {
  kubectl: {
    kustomize:
      'a kustomization may name remote bases and plugins; render it first (kubectl kustomize FOLDER) and send the result with -f, as aksgw does by itself',
    'enable-helm': PROGRAM,
    'helm-command': PROGRAM,
    'enable-alpha-plugins': PROGRAM,
    'load-restrictor': LOCAL,
    mount: LOCAL,
  },
  helm: {
    'post-renderer': PROGRAM,
    'post-renderer-args': PROGRAM,
    repo: REMOTE,
    username: REMOTE,
    password: REMOTE,
    'pass-credentials': REMOTE,
    'plain-http': REMOTE,
    'ca-file': REMOTE,
    'cert-file': REMOTE,
    'key-file': REMOTE,
    'insecure-skip-tls-verify': REMOTE,
    keyring: LOCAL,
    verify: 'provenance is checked against a key ring, which the machine that runs the command has not',
    'dependency-update': REMOTE,
    'output-dir': LOCAL,
  },
};

/**
 * Why a flag is refused for every command, if it is. `own`: the command has a flag of this name itself,
 * which is then another one: `create rolebinding --user`, `debug --profile`.
 */
export function whyRefused(tool: ToolGrammar['tool'], name: string, own: boolean): string | undefined {
  const why = lookUp(local[tool], name) ?? (own ? undefined : lookUp(global[tool], name));
  return why === undefined ? undefined : `is refused: ${why}`;
}

const lookUp = (table: Readonly<Record<string, string>>, name: string): string | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;
