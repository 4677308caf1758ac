import { execFileSync } from 'node:child_process';
import { mkdtempSync, copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { pods } from './pods.ts';

/**
 * Records what Kubernetes' own library says of generated pods (pods.json). Needs Go and its module proxy:
 *
 *     node test/conformance/pod-security/record.ts
 */
const LIBRARY = 'k8s.io/pod-security-admission';
const VERSION = 'v0.34.4';
const SAMPLES = 8_000;
const OF_EACH_VERDICT = 120;

const folder = mkdtempSync(join(tmpdir(), 'pod-security-'));
const go = (...args: string[]): void =>
  void execFileSync('go', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
try {
  copyFileSync(join(import.meta.dirname, 'main.go'), join(folder, 'main.go'));
  go('mod', 'init', 'recorder');
  go('get', `${LIBRARY}@${VERSION}`);
  go('mod', 'tidy');
  go('build', '-o', 'recorder', '.');
  const sample = fc.sample(pods, { numRuns: SAMPLES, seed: 34 });
  const input = sample.map((pod) => `${JSON.stringify(pod)}\n`).join('');
  const verdicts = execFileSync(join(folder, 'recorder'), { input, encoding: 'utf8', maxBuffer: 1 << 26 });
  const kept = new Map<string, number>();
  const cases = verdicts
    .trimEnd()
    .split('\n')
    .flatMap((verdict, index) => {
      const before = kept.get(verdict) ?? 0;
      kept.set(verdict, before + 1);
      const [baseline, restricted] = verdict.split(' ').map((word) => word === 'true');
      return before < OF_EACH_VERDICT ? [{ baseline, restricted, pod: sample[index] }] : [];
    });
  const lines = cases.map((one) => `    ${JSON.stringify(one)}`).join(',\n');
  const text = `{\n  "library": "${LIBRARY} ${VERSION}",\n  "recorded": "${new Date().toISOString().slice(0, 10)}",\n  "cases": [\n${lines}\n  ]\n}\n`;
  writeFileSync(join(import.meta.dirname, 'pods.json'), text);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
