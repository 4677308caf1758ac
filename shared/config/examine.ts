import { readDocument } from './document.ts';
import { checkForm } from './form.ts';
import { ConfigError, formatPath, formatProblem, type ConfigProblem, type Path, type Report } from './problem.ts';
import type { TSchema } from 'typebox';

/** Far above any real policy, far below what a reader of YAML chokes on. Characters. */
export const MAX_CONFIG_LENGTH = 1024 * 1024;

/** A YAML text under examination: what it holds, and what was found wrong with it so far. */
export interface Examined extends Report {
  /** Of the schema's form, unless a problem was found in it. */
  readonly value: unknown;
  /** Whether nothing is wrong with these sections of the text so far. */
  sound(...sections: readonly string[]): boolean;
  /** In the order of the lines, each with its place. */
  warnings(): readonly string[];
  /** Throws ConfigError with every problem and warning found so far, if there is a problem. */
  conclude(): void;
}

/** Reads a text and holds it against the schema. Throws ConfigError where there is nothing to go on with. */
export function examine(text: string, schema: TSchema, source: string): Examined {
  if (text.length > MAX_CONFIG_LENGTH) {
    throw new ConfigError(source, [{ line: 1, path: '', message: `is longer than ${MAX_CONFIG_LENGTH} characters` }]);
  }
  const document = readDocument(text);
  if (document.problems.length > 0)
    throw new ConfigError(
      source,
      document.problems.map((problem) => ({ ...problem, path: '' })),
    );
  const problems: ConfigProblem[] = [];
  const warnings: ConfigProblem[] = [];
  const broken = new Set<Path[number] | undefined>();
  const finding = (path: Path, message: string): ConfigProblem => ({
    line: document.line(path),
    path: formatPath(path),
    message,
  });
  const examined: Examined = {
    value: document.value,
    problem(path, message, setting) {
      broken.add(path[0]);
      problems.push({ ...finding(path, message), ...(setting !== undefined && { setting }) });
    },
    warning: (path, message) => void warnings.push(finding(path, message)),
    sound: (...sections) => !sections.some((section) => broken.has(section)),
    warnings: () => warnings.toSorted((a, b) => a.line - b.line).map((warning) => formatProblem(source, warning)),
    conclude: () => {
      if (problems.length > 0) throw new ConfigError(source, problems, examined.warnings());
    },
  };
  checkForm(schema, document.value, [], examined.problem);
  if (broken.has(undefined)) examined.conclude();
  return examined;
}
