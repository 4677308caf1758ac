import { describe, expect, test } from '@jest/globals';
import { checkJobs } from '../../shared/jobs/check.ts';
import { armId, parse, problemsOf, withRole, withSections, withSubject } from './valid.ts';

const checks = [checkJobs(() => Date.UTC(2026, 0, 1))];
const job = (more: string): string => `jobs: [{ name: nightly, cluster: demo, ${more} }]`;
const problems = (text: string, more: Parameters<typeof withSections>[0] = {}): string[] =>
  problemsOf(withSections({ ...more, jobs: text }), { checks });
const restart = 'argv: [kubectl, rollout, restart, deployment/web, -n, shop]';

describe('a job in gateway.yaml', () => {
  test('has defaults for what is left out', () => {
    const { jobs } = parse(withSections({ jobs: job(`${restart}, schedule: "0 3 * * *"`) }), { checks });
    expect(jobs).toMatchObject([
      {
        name: 'nightly',
        schedule: { cron: '0 3 * * *', timeZone: 'UTC' },
        onMissed: 'skip',
        onOverlap: 'skip',
        enabled: true,
      },
    ]);
  });

  test.each([
    ['a cluster that there is not', job(restart).replace('demo', 'dem'), 'cluster: no cluster is called "dem"'],
    ['a schedule that never comes', job(`${restart}, schedule: "0 3 30 2 *"`), 'schedule: "0 3 30 2 *" never comes'],
    ['six fields', job(`${restart}, schedule: "0 0 3 * * *"`), 'schedule: a schedule has five fields'],
    ['an unknown zone', job(`${restart}, schedule: "0 3 * * *", timeZone: CEST+1`), 'timeZone: "CEST+1" is not'],
    ['a zone without a schedule', job(`${restart}, timeZone: UTC`), 'timeZone: needs a schedule'],
    ['no command', job('schedule: "0 3 * * *"'), 'argv: is missing'],
    ['a command that is refused', job('argv: [kubectl, port-forward, web, "80"]'), 'argv: kubectl port-forward'],
    ['a flag that is refused', job('argv: [kubectl, get, pods, --kubeconfig=x]'), 'argv: kubectl get pods'],
    ['steps beside a command', job(`${restart}, steps: [{ ${restart} }]`), 'argv: belongs to a step'],
    ['no steps', job('steps: []'), 'steps'],
    [
      'more steps than a batch has',
      job(`steps: [${Array.from({ length: 21 }, () => `{ ${restart} }`).join(', ')}]`),
      'steps: has 21 steps; a batch has at most 20',
    ],
    [
      'a step that is refused',
      job(`steps: [{ ${restart} }, { argv: [kubectl, exec, web] }]`),
      'steps[1].argv: kubectl exec',
    ],
    ['a step without a command', job(`steps: [{ ${restart} }, {}]`), 'steps[1].argv: is missing'],
    [
      'steps that take longer than one command may',
      job(`steps: [{ ${restart}, timeoutSeconds: 3000 }, { ${restart}, timeoutSeconds: 601 }]`),
      'steps: take 3601 s together',
    ],
    ['onError without steps', job(`${restart}, onError: continue`), 'onError: is for a job with steps'],
    [
      'a time limit beyond the gateway\u2019s',
      job(`${restart}, timeoutSeconds: 999999`),
      'timeoutSeconds: is more than',
    ],
    [
      'two of one name',
      `jobs: [{ name: a, cluster: demo, ${restart} }, { name: a, cluster: demo, ${restart} }]`,
      'is the name of another job',
    ],
    ['a name that is a path', job(restart).replace('nightly', '"../x"'), "name: a job's name is"],
    ['notify of a webhook that is not there', job(`${restart}, notify: ops`), 'no webhook is called "ops"'],
    ['an option that no word uses', job(`${restart}, options: { ns: { type: name } }`), 'options.ns: is used nowhere'],
    ['a place without an option', job('argv: [kubectl, get, pods, -n, "{ns}"]'), 'no option is called "ns"'],
    [
      'a place within a word',
      job('argv: [kubectl, get, "pods/{pod}"], options: { pod: { type: name } }'),
      'options.pod: is used nowhere',
    ],
    [
      'no default where nobody chooses',
      job('argv: [kubectl, get, pods, -n, "{ns}"], schedule: "0 3 * * *", options: { ns: { enum: [a, b] } }'),
      'options.ns: needs a default',
    ],
    [
      'a value that is a flag',
      job('argv: [kubectl, get, pods, "{x}"], options: { x: { enum: ["-A"] } }'),
      '"-A" is not a plain word',
    ],
    [
      'a value that is a list',
      job('argv: [kubectl, get, "{x}"], options: { x: { enum: ["pods,secrets"] } }'),
      'is not a plain word',
    ],
    [
      'a default that is not a value',
      job('argv: [kubectl, get, pods, -n, "{x}"], options: { x: { enum: [a], default: b } }'),
      '"b" is not a value',
    ],
    [
      'a number below zero',
      job(
        'argv: [kubectl, scale, deployment/web, --replicas, "{n}"], options: { n: { type: integer, min: -1, max: 3 } }',
      ),
      'must be from 0 to max',
    ],
    [
      'an option that chooses the kind',
      job('argv: [kubectl, get, "{k}"], options: { k: { enum: [pods, secrets] } }'),
      'an option chooses more than a name or a namespace',
    ],
    [
      'an option that is the verb',
      job('argv: [kubectl, "{v}", pods, -n, shop], options: { v: { enum: [get, describe] } }'),
      'an option chooses more than a name or a namespace',
    ],
  ])('is refused with %s', (_name, text, problem) => {
    expect(problems(text).join('; ')).toContain(problem);
  });

  test('is refused by its line', () => {
    const text = withSections({
      jobs: 'jobs:\n  - name: nightly\n    cluster: demo\n    schedule: "0 3 30 2 *"\n    argv: [kubectl, exec, web]',
    });
    const lineOf = (word: string): number => text.split('\n').findIndex((line) => line.trim().startsWith(word)) + 1;
    expect(problemsOf(text, { checks }).map((problem) => problem.split(':')[0])).toEqual([
      `${lineOf('schedule:')} jobs[0].schedule`,
      `${lineOf('argv:')} jobs[0].argv`,
    ]);
  });

  test('is refused on a cluster whose commands run as their callers', () => {
    const clusters = `clusters: { demo: { resourceId: ${armId('demo')}, runAs: caller } }`;
    const azure =
      'azure: { credential: { kind: default }, onBehalfOf: { clientId: 55555555-5555-4555-8555-555555555555, secretEnv: OBO_SECRET } }';
    expect(problems(job(restart), { clusters, azure }).join()).toContain('has runAs: caller, and a job has no token');
  });
});

describe('the policy of a job', () => {
  test('binds it by name', () => {
    expect(problems(job(restart), { policy: withSubject('{ job: nightly }') })).toEqual([]);
    expect(problems(job(restart), { policy: withSubject('{ job: nightli }') }).join()).toContain(
      'Did you mean "nightly"?',
    );
  });

  test.each([
    ['verbs: [run], resources: [jobs.aksgw], namespaces: ["*"]', 'run on jobs.aksgw needs names'],
    ['verbs: [run], resources: [jobs.aksgw], namespaces: ["*"], names: ["*"]', 'run on jobs.aksgw needs names'],
    ['verbs: [run], resources: [jobs.aksgw], namespaces: [shop], names: [nightly]', 'jobs.aksgw are in no namespace'],
  ])('is refused where it could never allow anything: %s', (rule, problem) => {
    expect(problems(job(restart), { policy: withRole(`{ allow: [{ ${rule} }] }`) }).join()).toContain(problem);
  });
});
