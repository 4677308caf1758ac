import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { KubeObject } from '../../infra/local/kubernetes/json.ts';
import { helmCases, story, type HelmCase } from './helm-cases.ts';
import { helmExceptions } from './helm-exceptions.ts';
import { knowsCase, understandHelm, unsaidOfHelm } from './helm-recordings.ts';
import { everything, helms, NO_HELM, openHelm, PATIENCE_MS, podOf, type HelmBench } from './helm-run.ts';

/**
 * The commands that were recorded with two helms on a real API server, by every helm on the machine against the emulated one: nothing
 * is asked for that we did not say, whatever the version. By default a sample.
 */
const SAMPLE = 13;

/** What the story leaves behind: its objects and the Secrets of its releases. */
const kept: readonly (readonly [kind: string, name: string])[] = [
  ['ConfigMap', 'web-paint'],
  ['Deployment', 'web-server'],
  ['ConfigMap', 'hooked-kept'],
  ...['web.v1', 'web.v2', 'hooked.v1'].map((revision) => ['Secret', `sh.helm.release.v1.${revision}`] as const),
];

(helms.length > 0 ? describe : describe.skip).each(helms.length > 0 ? helms : [NO_HELM])(
  'helm $version asks for nothing that we did not say',
  (tool) => {
    let bench: HelmBench;
    let released: readonly KubeObject[];

    const run = async (one: HelmCase): Promise<readonly string[]> => {
      const invocation = understandHelm(one, podOf(tool));
      const { code, stderr } = await bench.run(invocation.sent);
      if (story.includes(one) && code !== 0) throw new Error(`helm ${one.command}: ${stderr}`);
      const requests = bench.kubernetes.requests.map((asked) => ({
        asked,
        failed: asked.status < 400 ? undefined : asked.status,
      }));
      const forgiven = (what: string): boolean =>
        helmExceptions.some(({ command, request }) => command.test(one.command) && request.test(what));
      const unsaid = unsaidOfHelm(invocation, one.holds, requests).filter((what) => !forgiven(what));
      return unsaid.length === 0 ? [] : [...unsaid, `sent: ${invocation.sent.words.join(' ')}`, stderr.slice(0, 600)];
    };

    beforeAll(async () => {
      bench = await openHelm(tool);
      for (const one of story) await run(one);
      released = kept.flatMap(([kind, name]) => bench.kubernetes.find(kind, 'shop', name) ?? []);
      expect(released).toHaveLength(kept.length);
    }, PATIENCE_MS);
    beforeEach(() => {
      bench.kubernetes.reset();
      for (const object of released) bench.kubernetes.put(object);
    });
    afterAll(() => bench.close());

    const chosen = helmCases
      .filter((_, index) => everything || index % SAMPLE === 0)
      .filter((one) => knowsCase(tool.version, one));
    test.each(chosen)(
      'helm $command',
      async (one) => {
        expect(await run(one)).toEqual([]);
      },
      PATIENCE_MS,
    );
  },
);
