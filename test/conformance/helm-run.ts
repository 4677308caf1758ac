import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startKubernetes, type EmulatedKubernetes } from '../../infra/local/kubernetes/server.ts';
import type { SentCommand } from '../../shared/command/invocation.ts';
import type { PodTools } from '../../shared/command/pod-tools.ts';
import { findVersions, toolRunner, type Tool, type ToolResult } from '../command/tools.ts';

/** Every helm on the machine with AKSGW_CONFORMANCE=all; by default the newest of each major version. */
export const everything = process.env['AKSGW_CONFORMANCE'] === 'all';
const majors = new Set<string>();
export const helms: readonly Tool[] = findVersions('helm').filter(
  ({ version: { [0]: major = '' } }) => everything || (!majors.has(major) && majors.add(major)),
);

/** What stands in the name of a suite that is skipped. */
export const NO_HELM: Tool = { version: '(skipped: no helm on this machine)', path: '' };

/** Each helm takes a second or so; on a machine that does much else, ten. */
export const PATIENCE_MS = 600_000;

/** What a pod with this helm would have told. */
export const podOf = ({ version }: Tool): PodTools | undefined =>
  /^\d/u.test(version) ? { helm: version } : undefined;

export interface HelmBench {
  readonly kubernetes: EmulatedKubernetes;
  /** Runs what would be sent, with only the files that would be sent. The API's records are of this run alone. */
  run(sent: SentCommand): Promise<ToolResult>;
  /** Any words, in an empty folder. */
  readonly runWords: (words: readonly string[]) => Promise<ToolResult>;
  close(): Promise<void>;
}

/** One emulated cluster and one helm. */
export async function openHelm({ path }: Tool): Promise<HelmBench> {
  const kubernetes = await startKubernetes();
  const run = toolRunner(path, kubernetes.kubeconfig());
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-helm-'));
  return {
    kubernetes,
    runWords: run,
    run: ({ words, files, stdin }) => {
      const cwd = mkdtempSync(join(folder, 'run-'));
      for (const file of files) {
        mkdirSync(dirname(join(cwd, file.path)), { recursive: true });
        writeFileSync(join(cwd, file.path), file.bytes);
      }
      kubernetes.requests.length = 0;
      kubernetes.nonResource.length = 0;
      return run(words.slice(1), { cwd, ...(stdin !== undefined && { stdin: Buffer.from(stdin).toString() }) });
    },
    close: async () => {
      rmSync(folder, { recursive: true, force: true });
      await kubernetes.close();
    },
  };
}
