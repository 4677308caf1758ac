import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createToolReports } from '../../shared/relay/tool-reports.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { accepted, ended, relayTo, run, submission } from './support/fixtures.ts';
import { startReplayArm, type ReplayArm } from './support/replay-arm.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const RETRY_MS = 10 * 60_000;
const { cluster, nonce } = run();

let arm: ReplayArm;
beforeEach(async () => {
  arm = await startReplayArm();
});
afterEach(() => arm.close());

const asks = (): boolean[] =>
  arm.requests
    .filter(({ method }) => method === 'POST')
    .map(({ body }) => / V=1; /.test((JSON.parse(body) as { command: string }).command));

const answer = (start: string) => {
  const fields = 'rc=0 timeout=0 enc=raw o=0,0,- e=0,0,- cut=0 miss=-';
  const logs = `AKSGW1 S ${nonce}${start}\nAKSGW1 H ${nonce} ${fields}\nAKSGW1 T ${nonce} ${fields}\n`;
  return ended(`"provisioningState":"Succeeded","exitCode":0,"logs":${JSON.stringify(logs)}`);
};

test('the first command of a day on a cluster asks for the versions of its tools', async () => {
  const clock = createManualClock(Date.now());
  const reports = createToolReports(clock);
  const asked: boolean[] = [];
  for (const wait of [0, 0, DAY_MS - 1_000, 1_000]) {
    await clock.advance(wait);
    asked.push(reports.due(cluster));
    reports.learn(cluster, { kubectl: '1.30', helm: '3.14' });
  }
  expect(asked).toEqual([true, false, false, true]);
});

test('when the command that asked brings no answer, another one asks some minutes later', async () => {
  const clock = createManualClock(Date.now());
  const relay = relayTo(arm.url, { clock });
  for (const wait of [0, 0, RETRY_MS - 1_000, 1_000]) {
    await clock.advance(wait);
    arm.script('post', accepted);
    await relay.submit(submission('kubectl', 'get', 'pods'));
  }
  expect(asks()).toEqual([true, false, false, true]);
});

test('a batch asks and tells as a command does', async () => {
  const relay = relayTo(arm.url);
  const { sent, timeoutSeconds, ...rest } = submission('kubectl', 'get', 'pods');
  const steps = ['a', 'b'].map((digit) => ({ sent, timeoutSeconds, nonce: digit.repeat(32) }));
  for (let count = 0; count < 2; count += 1) {
    arm.script('post', accepted);
    await relay.submitSteps({ ...rest, steps, onError: 'stop' });
  }
  expect(asks()).toEqual([true, false]);
  const fields = 'rc=0 timeout=0 enc=raw o=0,0,- e=0,0,- cut=0 miss=-';
  const logs = steps
    .map(({ nonce: own }, index) => {
      const tools = index === 0 ? ' kubectl=v1.30.2 helm=v3.14.0' : '';
      return `AKSGW1 S ${own}${tools}\nAKSGW1 H ${own} ${fields}\nAKSGW1 T ${own} ${fields}\n`;
    })
    .join('');
  arm.script('result', ended(`"provisioningState":"Succeeded","exitCode":0,"logs":${JSON.stringify(logs)}`));
  const { nonce: _nonce, ...following } = run();
  const outcomes = await relay.followSteps({ ...following, nonces: steps.map(({ nonce: own }) => own) });
  expect(outcomes.map(({ kind }) => kind)).toEqual(['completed', 'completed']);
  expect(relay.toolsOf(cluster)).toEqual({ kubectl: '1.30', helm: '3.14' });
});

test('what a pod told is known, until one tells otherwise', async () => {
  const relay = relayTo(arm.url);
  arm.script('post', accepted);
  await relay.submit(submission('kubectl', 'get', 'pods'));
  expect(relay.toolsOf(cluster)).toBeUndefined();
  arm.script('result', answer(' kubectl=v1.30.2 helm=v3.14.0+gc309b6f'));
  await relay.follow(run());
  expect(relay.toolsOf(cluster)).toEqual({ kubectl: '1.30', helm: '3.14' });
  arm.script('result', answer(''));
  await relay.follow(run());
  expect(relay.toolsOf(cluster)).toEqual({ kubectl: '1.30', helm: '3.14' });
});

test('a pod that tells no version leaves it unknown', async () => {
  const relay = relayTo(arm.url);
  arm.script('post', accepted);
  await relay.submit(submission('kubectl', 'get', 'pods'));
  arm.script('result', answer(' kubectl= helm=$(id)'));
  await relay.follow(run());
  expect(relay.toolsOf(cluster)).toEqual({ kubectl: undefined, helm: undefined });
});
