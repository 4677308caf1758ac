import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { interpret } from '../../shared/command/interpret.ts';
import type { Cluster } from '../../shared/config/config.ts';
import { Problem } from '../../shared/errors.ts';
import { checkJobs } from '../../shared/jobs/check.ts';
import { chooseValues, compileJobs, fillStep, type Job } from '../../shared/jobs/job.ts';
import { parse, withSections } from '../config/valid.ts';

const now = Date.UTC(2026, 0, 1);
const SAMPLE = 'aksgw-sample';
const forms = [
  'argv: [kubectl, get, pods, -n, "{x}"], options: { x: { type: name } }',
  'argv: [kubectl, delete, pod, "{x}", -n, shop], options: { x: { type: name } }',
  'argv: [kubectl, rollout, restart, deployment, "{x}", -n, shop], options: { x: { type: name } }',
  'argv: [kubectl, logs, "{x}", -n, shop, --tail, "{n}"], options: { x: { type: name }, n: { type: integer, min: 0, max: 500 } }',
  'argv: [kubectl, scale, deployment/web, -n, "{x}", --replicas, "{n}"], options: { x: { type: name }, n: { type: integer, min: 0, max: 500 } }',
  'argv: [helm, rollback, "{x}", "{n}", -n, shop], options: { x: { type: name }, n: { type: integer, min: 1, max: 500 } }',
];
const jobs = forms.map((form): { readonly job: Job; readonly cluster: Cluster } => {
  const config = parse(withSections({ jobs: `jobs: [{ name: job, cluster: demo, ${form} }]` }), {
    checks: [checkJobs(() => now)],
  });
  const job = compileJobs(config, now).get('job');
  const cluster = config.clusters.get('demo');
  if (!job || !cluster) throw new TypeError('the job is there');
  return { job, cluster };
});

/** Flags, lists, kinds, paths, pairs, shell, white space, and names as they should be. */
const nasty = fc.constantFrom(
  '-A',
  '--all',
  '--all-namespaces',
  '-n=kube-system',
  '-',
  '--',
  '-o=yaml',
  '--kubeconfig=/x',
  '--as=root',
  '@file',
  '*',
  'a,b',
  'pods,secrets',
  'secret/db',
  'pod/a',
  'a b',
  'a\nb',
  'a=b',
  'kube-system --all',
  "'",
  '"',
  '$(id)',
  '`id`',
  ';id',
  '',
  'all',
  'secrets',
  'kube-system',
  'aks-command',
  'web-0',
  'a.b',
  'a..b',
  'A',
  'a_b',
  '\u0430dmin',
  '0',
  '-1',
  '1e3',
  '0x10',
  '007',
  '501',
);
const text = fc.oneof(nasty, fc.string(), fc.stringMatching(/^[a-z0-9.-]{1,20}$/), fc.nat(600).map(String));

const fill = ({ job, cluster }: (typeof jobs)[number], values: ReadonlyMap<string, string>) => {
  const [step] = job.steps;
  if (!step) throw new TypeError('a job has a step');
  const filled = fillStep(step, chooseValues(job, values));
  return { template: step.argv, words: filled.argv, ...interpret(filled, cluster) };
};

test('a value is one word at its place, and asks of its own name or namespace what the author meant, whatever it is', () => {
  let taken = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.constantFrom(...jobs), text, text, (one, x, n) => {
      const names = [...one.job.options.keys()];
      const given = new Map(names.map((name) => [name, name === 'x' ? x : n]));
      const meant = fill(one, new Map(names.map((name) => [name, name === 'x' ? SAMPLE : '1'])));
      let asked: ReturnType<typeof fill>;
      try {
        asked = fill(one, given);
      } catch (error) {
        refused += 1;
        return expect(error).toBeInstanceOf(Problem);
      }
      taken += 1;
      expect(asked.words).toEqual(meant.template.map((word) => (word === '{x}' ? x : word === '{n}' ? n : word)));
      const named = (word: string): string => (word === SAMPLE ? x : word);
      expect(asked.attributes).toEqual(
        meant.attributes.map((each) => ({ ...each, name: named(each.name), namespace: named(each.namespace) })),
      );
      expect([asked.tool, asked.verb]).toEqual([meant.tool, meant.verb]);
      expect(asked.sent.words).toHaveLength(meant.sent.words.length);
      // Flags stay as they were: a value can be none.
      const flags = (words: readonly string[]): readonly string[] =>
        words.filter((word) => word.startsWith('-')).map((word) => word.split('=')[0] ?? word);
      expect(flags(asked.sent.words)).toEqual(flags(meant.sent.words));
    }),
    { numRuns: 600 },
  );
  expect(Math.min(taken, refused)).toBeGreaterThan(50);
});
