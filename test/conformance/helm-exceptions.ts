/** A request of a real helm that no attribute names, and that needs none. */
export interface HelmException {
  readonly command: RegExp;
  /** As describeAttributes writes it. */
  readonly request: RegExp;
  readonly reason: string;
}

export const helmExceptions: readonly HelmException[] = [
  {
    command: /^(?:install|rollback) .*--timeout=1s/u,
    request: /^list (?:replicasets\.apps|pods) in shop$/u,
    reason: 'helm waits for its own deployments by their replica sets and pods, and prints nothing of them',
  },
  {
    command: /^status web/u,
    request: /^list pods in shop$/u,
    reason:
      "helm 3 with --show-resources, and helm 4 always, shows a line for each pod of the release's own workloads: the right to a release covers what it holds",
  },
  {
    command: /^template .*--validate$/u,
    request: /^get /u,
    reason: "helm looks whether the chart's own objects are another release's; it prints nothing of them",
  },
  {
    command: /--create-namespace$/u,
    request: /^patch namespaces team$/u,
    reason: 'helm 4 creates by a server-side apply; the API server asks for create itself when it is not there',
  },
];
