/**
 * Which flags name files, and how: what no tool's help tells. `manifests`: a file, a folder of them, a pattern or an address; `file`: one file;
 * `keyed`: `path`, `key=path` or a folder; `key-path`: `key=path`, several with commas; `output`: a file behind `-o KIND=`.
 */
export type FileFlag = 'manifests' | 'kustomization' | 'file' | 'files' | 'keyed' | 'key-path' | 'output' | 'template';

const fileFlags: Readonly<Record<'kubectl' | 'helm', Readonly<Record<string, FileFlag>>>> = {
  kubectl: {
    filename: 'manifests',
    kustomize: 'kustomization',
    'patch-file': 'file',
    'from-file': 'keyed',
    'from-env-file': 'files',
    output: 'output',
    template: 'template',
    cert: 'file',
    key: 'file',
    custom: 'file',
  },
  helm: { values: 'files', 'set-file': 'key-path' },
};

/** Commands that have a flag of one of those names for something else. */
const otherwise: ReadonlySet<string> = new Set(['kubectl logs filename']);

/** How a flag of a command names files; undefined where it does not. */
export function fileFlagOf(tool: 'kubectl' | 'helm', path: readonly string[], name: string): FileFlag | undefined {
  if (otherwise.has(`${tool} ${path.join(' ')} ${name}`)) return undefined;
  return Object.hasOwn(fileFlags[tool], name) ? fileFlags[tool][name] : undefined;
}

/** The output formats whose text is a file's name (k8s.io/cli-runtime, pkg/genericclioptions). */
export const outputFiles = /^(go-template-file|templatefile|jsonpath-file|custom-columns-file)=(.*)$/s;

/** Where among a helm command's positionals its chart stands. */
export const chartAt: Readonly<Record<string, (args: readonly string[], flags: ReadonlySet<string>) => number>> = {
  install: ({ length }) => length - 1,
  template: ({ length }) => length - 1,
  upgrade: () => 1,
  lint: () => 0,
  'show all': () => 0,
  'show chart': () => 0,
  'show crds': () => 0,
  'show readme': () => 0,
  'show values': () => 0,
  'dependency list': () => 0,
  'dependency build': () => 0,
  'dependency update': () => 0,
};
