/** Where in the file something stands: keys and indices from the root. */
export type Path = readonly (string | number)[];

export interface ConfigProblem {
  /** Counted from 1. */
  readonly line: number;
  /** `policy.roles.viewer.allow[0].resources[1]`; '' for the file as a whole. */
  readonly path: string;
  readonly message: string;
  /** The setting of the environment that the file names and that is missing. */
  readonly setting?: string;
}

/** The file is not in force: every problem that was found, in the order of the lines. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly source: string;
  readonly problems: readonly ConfigProblem[];
  /** What else was found, as it is shown. */
  readonly warnings: readonly string[];

  constructor(source: string, problems: readonly ConfigProblem[], warnings: readonly string[] = []) {
    const sorted = problems.toSorted((a, b) => a.line - b.line);
    super(sorted.map((problem) => formatProblem(source, problem)).join('\n'));
    this.source = source;
    this.problems = sorted;
    this.warnings = warnings;
  }
}

/** `gateway.yaml:12: clusters.demo.runAs: …`, which editors and CI logs turn into a link. */
export const formatProblem = (source: string, { line, path, message }: ConfigProblem): string =>
  `${source}:${line}: ${path && `${path}: `}${message}`;

export const formatPath = (path: Path): string =>
  path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('');

/** Collects what one reading of a file finds. A check that reports a problem may go on with any value: it will not be used. */
export interface Report {
  problem(path: Path, message: string, setting?: string): void;
  warning(path: Path, message: string): void;
}
