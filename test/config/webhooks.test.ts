import { describe, expect, test } from '@jest/globals';
import { env, parse, problemsOf, withSections } from './valid.ts';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const SLACK = 'https://hooks.slack.com/services/T0/B0/a-secret-word';
const given = {
  ...env,
  HOOK: SECRET,
  SHORT: `whsec_${Buffer.alloc(16, 7).toString('base64')}`,
  PLAIN: 'a-secret-word',
  SLACK_URL: SLACK,
  PLAIN_URL: SLACK.replace('https', 'http'),
};
const signed = 'secretEnv: HOOK';
const section = (webhook: string, name = 'ops', listen = 'listen: { host: 0.0.0.0 }') =>
  `${withSections({ listen })}\nwebhooks: { ${name}: { ${webhook} } }`;
/** What is said of the webhook itself: a gateway off loopback has a local key to be told of, too. */
const problems = (text: string): string[] =>
  problemsOf(text, { env: given }).filter((problem) => / webhooks\b/.test(problem));

describe('a webhook in gateway.yaml', () => {
  test('has defaults for what is left out, and the events of jobs together under one name', () => {
    const text = section(`url: "https://bot.example.com/x", ${signed}, events: ["job.*"]`, 'ops', 'listen: {}');
    expect(parse(text, { env: given }).webhooks.get('ops')).toMatchObject({
      name: 'ops',
      profile: 'json',
      output: false,
      private: false,
      hosts: [],
      events: expect.arrayContaining(['job.failed', 'job.missed', 'job.suspended', 'job.overlapped', 'job.fired']),
    });
  });

  test.each([
    ['no address', signed, 'needs exactly one of url and urlEnv'],
    ['two addresses', `url: "https://x.example", urlEnv: SLACK_URL, ${signed}`, 'needs exactly one of url and urlEnv'],
    ['http', `url: "http://x.example", ${signed}`, 'must be https'],
    ['http from the environment', 'urlEnv: PLAIN_URL, profile: slack', 'must be https'],
    ['another scheme', `url: "file:///etc/passwd", ${signed}`, 'is not an https address'],
    ['words', `url: "nonsense", ${signed}`, 'is not an https address'],
    ['a password', `url: "https://u:p@x.example", ${signed}`, 'must not hold a user name, a password or a fragment'],
    ['a fragment', `url: "https://x.example#f", ${signed}`, 'must not hold a user name'],
    ['this machine', `url: "https://127.0.0.1/x", ${signed}`, 'leads to this machine itself'],
    ['this machine by http', `url: "http://[::1]:9/x", ${signed}`, 'leads to this machine itself'],
    ['an address of Slack in plain sight', 'url: "https://hooks.slack.com/x", profile: slack', 'give it by urlEnv'],
    ['an address of Teams in plain sight', 'url: "https://x.example", profile: teams', 'give it by urlEnv'],
    ['no variable', 'urlEnv: NOT_SET, profile: slack', 'NOT_SET'],
    ['what is no variable', 'urlEnv: "not-a-name", profile: slack', 'is not the name of an environment variable'],
    ['no signature', 'url: "https://x.example"', 'secretEnv: is missing'],
    ['a key that is too short', 'url: "https://x.example", secretEnv: SHORT', 'must hold whsec_'],
    ['a key in another form', 'url: "https://x.example", secretEnv: PLAIN', 'must hold whsec_'],
    ['hosts without private', `url: "https://x.example", ${signed}, hosts: [x.example]`, 'hosts: is for private: true'],
    ['private without hosts', `url: "https://x.example", ${signed}, private: true`, 'hosts: is missing'],
    [
      'private on another host',
      `url: "https://x.example", ${signed}, private: true, hosts: [y.example]`,
      'is on no host that hosts names',
    ],
    ['an event that there is not', `url: "https://x.example", ${signed}, events: [job.failled]`, 'no event is called'],
    ['another profile', `url: "https://x.example", ${signed}, profile: discord`, 'profile'],
    ['a key that there is not', `url: "https://x.example", ${signed}, secret: x`, 'secret'],
  ])('with %s is refused', (_, webhook, why) => {
    const found = problems(section(webhook));
    expect(found).toContainEqual(expect.stringContaining(why));
    expect(found.join('\n')).not.toMatch(/a-secret-word|:p@/);
  });

  test('is called by a name that a rule may have', () => {
    expect(problems(section(`url: "https://x.example", ${signed}`, '"a b"'))).toContainEqual(
      expect.stringContaining("a webhook's name is letters"),
    );
  });

  test('may be on this machine where the gateway is on it alone', () => {
    const here = section(`url: "http://127.0.0.1:9/x", ${signed}`, 'ops', 'listen: { host: 127.0.0.1 }');
    expect(problems(here)).toEqual([]);
  });

  test('that a job names has to be there', () => {
    const jobs = 'jobs: [{ name: n, cluster: demo, argv: [kubectl, get, pods], notify: opps }]';
    const text = `${withSections({ jobs })}\nwebhooks: { ops: { url: "https://x.example", ${signed} } }`;
    expect(problemsOf(text, { env: given })).toEqual([
      expect.stringMatching(/notify: no webhook is called "opps".*ops/),
    ]);
  });
});
