import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { interpret } from '../../shared/command/interpret.ts';
import type { Cluster } from '../../shared/config/config.ts';
import { ConfigError } from '../../shared/config/problem.ts';
import { Problem } from '../../shared/errors.ts';
import { describeAttributes, type ResourceAttributes } from '../../shared/kubernetes/attributes.ts';
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

/** Commands in which any word may be an option; most places are refused as the file is read. */
const commands = [
  'kubectl get pods web-0 -n shop',
  'kubectl get deployments,services -n shop -l app=web',
  'kubectl describe deployment web -n shop',
  'kubectl logs web-0 -c app -n shop --tail 491',
  'kubectl delete pod web-0 -n shop --grace-period 491',
  'kubectl scale deployment web -n shop --replicas 491',
  'kubectl rollout undo deployment web -n shop --to-revision 491',
  'kubectl rollout restart deployment web api -n shop',
  'kubectl annotate deployment web note=later -n shop',
  'kubectl exec web-0 -n shop -- cat notes',
  'kubectl cordon node-1',
  'kubectl top pods web-0 -n shop',
  'kubectl create job run-1 --from cronjob/nightly -n shop',
  'helm rollback web 491 -n shop',
  'helm status web -n shop --revision 491',
  'helm uninstall web -n shop',
];
/** What stands for a number in these commands, and in nothing that is added to them. */
const NUMBER = '487';

interface Placed {
  readonly job: Job;
  readonly cluster: Cluster;
  readonly sample: string;
}

/** Each command with each of its words as an option of each kind: those that a configuration takes. */
function placements(): { readonly placed: readonly Placed[]; readonly refused: number } {
  const placed: Placed[] = [];
  let refused = 0;
  for (const line of commands) {
    const words = line.split(' ');
    for (const [index] of words.entries())
      for (const [sample, form] of [
        [SAMPLE, '{ type: name }'],
        [NUMBER, '{ type: integer, min: 0, max: 500 }'],
      ] as const) {
        const argv = JSON.stringify(words.with(index, '{x}'));
        const text = withSections({
          jobs: `jobs: [{ name: job, cluster: demo, argv: ${argv}, options: { x: ${form} } }]`,
        });
        try {
          const config = parse(text, { checks: [checkJobs(() => now)] });
          const [job, cluster] = [compileJobs(config, now).get('job'), config.clusters.get('demo')];
          if (job && cluster) placed.push({ job, cluster, sample });
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          refused += 1;
        }
      }
  }
  return { placed, refused };
}

test('wherever an option may stand, its value becomes no flag, no other word and no other resource', () => {
  const { placed, refused } = placements();
  // A verb, a kind and a flag are never places of an option.
  const places = placed.map(({ job }) => job.steps[0]?.argv.join(' ') ?? '');
  expect(places.filter((line) => /^\S+ (\{x\}|rollout \{x\})|(get|describe|delete|scale) \{x\}/.test(line))).toEqual(
    [],
  );
  expect([placed.length > 30, refused > 60]).toEqual([true, true]);
  let taken = 0;
  fc.assert(
    fc.property(fc.constantFrom(...placed), text, ({ job, cluster, sample }, x) => {
      const filled = (value: string) => fill({ job, cluster }, new Map([['x', value]]));
      const meant = filled(sample);
      let asked: ReturnType<typeof fill>;
      try {
        asked = filled(x);
      } catch (error) {
        return expect(error).toBeInstanceOf(Problem);
      }
      taken += 1;
      const put = (word: string): string => word.replaceAll(sample, x);
      expect(asked.words).toEqual(meant.template.map((word) => (word === '{x}' ? x : word)));
      expect(asked.sent.words).toEqual(meant.sent.words.map(put));
      expect([asked.tool, asked.verb]).toEqual([meant.tool, meant.verb]);
      // As a set: a value may name what the command names already.
      const placedAttributes = meant.attributes.map((each) => ({
        ...each,
        name: put(each.name),
        namespace: put(each.namespace),
      }));
      const spelt = (all: readonly ResourceAttributes[]) => new Set(all.map(describeAttributes));
      expect(spelt(asked.attributes)).toEqual(spelt(placedAttributes));
    }),
    { numRuns: 1500 },
  );
  expect(taken).toBeGreaterThan(200);
});
