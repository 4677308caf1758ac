import { isUtf8 } from 'node:buffer';
import type { CommandContext } from '../../config/config.ts';
import { createUploads, type Uploads } from '../files.ts';
import type { CommandRequest } from '../invocation.ts';
import { catalogOf, type Catalog } from '../../kubernetes/resources.ts';
import { checkNamespace } from '../names.ts';
import type { Parsed } from '../parsed.ts';
import { compareVersions } from '../pod-tools.ts';
import { refuse } from '../../lib/refuse.ts';
import { rollbackSeconds, toolSeconds } from '../time-limits.ts';
import { yamlBudget } from '../yaml.ts';
import { createChartReader, type ReadChart } from './chart.ts';

/** One helm command while it is understood: what was asked, and what is learnt of it on the way. */
export interface HelmCall {
  readonly parsed: Parsed;
  /** The caller's `-n`, or the cluster's default. */
  readonly namespace: string;
  readonly uploads: Uploads;
  readonly catalog: Catalog;
  readonly readChart: ReadChart;
  /** The most that helm may wait: within the command's own time-out, half of it where a failure is rolled back. */
  readonly mostSeconds: number;
  /** The last value given. */
  flag(name: string): string | undefined;
  isOn(name: string): boolean;
  /** Whether the helm that will run it is known to be older than this version. */
  isBefore(version: string): boolean;
  warn(text: string): void;
  /** From now on the words travel in the context. */
  secret(): void;
  useStdin(): void;
  checkText(path: string, bytes: Uint8Array): void;
  readonly learnt: {
    readonly warnings: readonly string[];
    readonly secret: boolean;
    readonly stdin: Uint8Array | undefined;
  };
}

export function createCall(
  parsed: Parsed,
  request: CommandRequest,
  context: CommandContext,
  helm: string | undefined,
): HelmCall {
  const warnings: string[] = [];
  let secret = false;
  let stdin: Uint8Array | undefined;
  const uploads = createUploads(request.files);
  const flag = (name: string): string | undefined => parsed.flags.get(name)?.at(-1);
  const rollsBack = ['atomic', 'rollback-on-failure'].some((name) => flag(name) === 'true');
  return {
    parsed,
    namespace: checkNamespace(flag('namespace') ?? context.defaultNamespace),
    catalog: catalogOf(context.resources, context.discovered),
    uploads,
    readChart: createChartReader(uploads, request.budget ?? yamlBudget()),
    mostSeconds: (rollsBack ? rollbackSeconds : toolSeconds)(request.timeoutSeconds),
    flag,
    isOn: (name) => flag(name) === 'true',
    isBefore: (version) => helm !== undefined && compareVersions(helm, version) < 0,
    warn: (text) => void warnings.push(text),
    secret: () => {
      secret = true;
    },
    useStdin: () => {
      if (request.stdin === undefined) throw refuse('-', 'stands for stdin, and the request has no stdin');
      if (stdin !== undefined) throw refuse('-', 'stands for stdin, which can be read only once');
      stdin = Buffer.from(request.stdin);
    },
    checkText: (path, bytes) => {
      if (!isUtf8(bytes)) throw refuse(path, 'is not UTF-8 text');
    },
    get learnt() {
      return { warnings, secret, stdin };
    },
  };
}
