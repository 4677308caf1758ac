import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKubernetes, type EmulatedKubernetes } from '../../infra/local/kubernetes/server.ts';
import { standIn } from '../../infra/local/stand-in/main.ts';
import { reads, readsOf, stepsFor } from '../../shared/health/reads.ts';
import { createRunner, installedKubectls, type Ran } from '../infra/real-kubectl.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { faults, warnings } from './zoo.ts';

/**
 * A look prints by Go templates. The stand-in, for machines without a kubectl, reads them with a few lines of its own: the real kubectl is
 * what they are held against, on a cluster in which everything is wrong that can be.
 */
let kubernetes: EmulatedKubernetes;
let run: (words: readonly string[]) => Promise<Ran>;
let folder: string;
let real: ((words: readonly string[]) => Promise<Ran>) | undefined;

beforeAll(async () => {
  const clock = createManualClock();
  kubernetes = await startKubernetes({ clock });
  for (const { objects } of faults(clock.now())) for (const object of objects) kubernetes.place(object);
  for (const event of warnings(clock.now())) kubernetes.place(event);
  const runner = createRunner(kubernetes.kubeconfig());
  folder = mkdtempSync(join(tmpdir(), 'aksgw-stand-in-'));
  const kubeconfig = join(folder, 'config');
  writeFileSync(kubeconfig, kubernetes.kubeconfig());
  run = async (words) => {
    let [out, err] = ['', ''];
    const streams = { input: () => '', out: (text: string) => (out += text), err: (text: string) => (err += text) };
    return { code: await standIn(words, kubeconfig, streams), out, err };
  };
  const newest = installedKubectls().at(-1);
  if (newest) real = (words) => runner([newest.path], words);
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await kubernetes.close();
});

const steps = stepsFor(reads, undefined).map(({ words }) => [words[2] ?? '', words.slice(1)] as const);

test.each(steps)('%s is printed by the stand-in', async (_what, words) => {
  const { code, out, err } = await run(words);
  expect([code, err]).toEqual([0, '']);
  expect(out).not.toBe('');
});

(installedKubectls().length > 0 ? test : test.skip).each(steps.filter(([, words]) => words[0] === 'get'))(
  '%s is printed as the real kubectl prints it',
  async (_what, words) => {
    expect((await run(words)).out).toBe((await real?.(words))?.out);
  },
);

test('each command tells which reads it answers', () => {
  for (const { words, reads: asked } of stepsFor(reads, 'shop')) expect(readsOf(words)).toEqual(asked);
  expect(readsOf(['kubectl', 'get', 'pods'])).toEqual([]);
});
