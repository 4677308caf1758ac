import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import { createArm } from '../../shared/relay/arm.ts';
import type { Refusal } from '../../shared/relay/arm-answers.ts';
import { findRow, postRows } from '../../shared/relay/catalogue.ts';
import type { Ended, Relay } from '../../shared/relay/relay.ts';
import { systemClock } from '../../shared/clock.ts';
import { Secret } from '../../shared/secret.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';
import { accepted, cluster, ended, ID, json, relayTo, run, running, submission } from './support/fixtures.ts';
import { startReplayArm, type ReplayAnswer, type ReplayArm } from './support/replay-arm.ts';

let arm: ReplayArm;
let relay: Relay;
beforeAll(async () => {
  arm = await startReplayArm();
});
afterAll(() => arm.close());

const armError = (status: number, code: string, message = '', headers = {}): ReplayAnswer => ({
  status,
  headers: { ...json, ...headers },
  body: JSON.stringify({ error: { code, message } }),
});

interface Case {
  readonly row: string | undefined;
  readonly answer: ReplayAnswer;
  readonly expected: { readonly kind: 'not-started' | 'lost'; readonly code: string; readonly words: RegExp };
}

const notStarted = (code: string, words: RegExp) => ({ kind: 'not-started', code, words }) as const;
const lost = (code: string, words: RegExp) => ({ kind: 'lost', code, words }) as const;
const CHECK = /Look at the cluster before sending a change again/;
const CHECK_LOWER = /look at the cluster before sending a change again/;
const REFUSED_POD = 'Failed to run command in managed cluster due to kubernetes failure. details:';

/** Every row of the catalogue, with the exact texts where they are on record. */
const cases: readonly Case[] = [
  {
    row: 'entra-token-missing',
    answer: armError(
      400,
      'MissingAADClusterToken',
      'This cluster have Azure Active Directory enabled, .clusterToken is required.',
    ),
    expected: notStarted('azure-refused', /Entra integration.*Nothing ran.*MissingAADClusterToken/),
  },
  {
    row: 'entra-token-refused',
    answer: armError(400, 'InvalidAADClusterToken', 'wrong audience'),
    expected: notStarted('azure-refused', /did not accept the Entra token.*tenant/),
  },
  {
    row: 'did-not-start-in-time',
    answer: armError(
      400,
      'KubernetesPerformanceError',
      `Failed to run command due to cluster perf issue, container command-${ID} in aks-command namespace did not start within 30s on your cluster, retry may helps. If issue persist, you may need to tune your cluster with better performance (larger node/paid tier).`,
    ),
    expected: lost('KubernetesPerformanceError', /may still start.*did not start within 30s/),
  },
  {
    row: 'kubernetes-error',
    answer: armError(400, 'KubernetesOperationError', 'etcdserver: request timed out'),
    expected: lost('KubernetesOperationError', CHECK),
  },
  {
    // Azure/aks-baseline-automation#37, cut.
    row: 'policy-gatekeeper',
    answer: armError(
      400,
      'KubernetesOperationError',
      `${REFUSED_POD} admission webhook "validation.gatekeeper.sh" denied the request: [azurepolicy-container-limits-2007c596c60696e5e4a5] container <user-command> memory limit <1Gi> is higher than the maximum allowed of <512Mi>`,
    ),
    expected: notStarted('azure-refused', /policy azurepolicy-container-limits-2007c596c60696e5e4a5 .*exempt.*image/),
  },
  {
    row: 'admission-webhook',
    answer: armError(
      400,
      'KubernetesOperationError',
      `${REFUSED_POD} admission webhook "validation.gatekeeper.sh" denied the request: no privileged pods`,
    ),
    expected: notStarted('azure-refused', /validation\.gatekeeper\.sh.*exempt the namespace aks-command/),
  },
  {
    row: 'admission-policy',
    answer: armError(
      400,
      'KubernetesOperationError',
      `${REFUSED_POD} pods "command-${ID}" is forbidden: ValidatingAdmissionPolicy 'no-latest' with binding 'all' denied request: no`,
    ),
    expected: notStarted('azure-refused', /ValidatingAdmissionPolicy no-latest .*exempt/),
  },
  {
    row: 'quota',
    answer: armError(
      400,
      'KubernetesOperationError',
      `${REFUSED_POD} pods "command-${ID}" is forbidden: exceeded quota: compute, requested: limits.cpu=500m, used: limits.cpu=2, limited: limits.cpu=2`,
    ),
    expected: notStarted('azure-refused', /resource quota compute .*raise or remove/),
  },
  {
    row: 'pod-security',
    answer: armError(
      400,
      'KubernetesOperationError',
      `${REFUSED_POD} pods "command-${ID}" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false`,
    ),
    expected: notStarted('azure-refused', /restricted:latest.*pod-security\.kubernetes\.io\/enforce/),
  },
  {
    row: 'rbac',
    answer: armError(
      400,
      'KubernetesOperationError',
      `${REFUSED_POD} pods is forbidden: User "x" cannot create resource "pods" in API group "" in the namespace "aks-command"`,
    ),
    expected: notStarted('azure-refused', /RBAC.*has to grant/),
  },
  // Nearly the same words: of another object, or without Azure's own before them.
  ...[
    'admission webhook "validation.gatekeeper.sh" denied the request: no',
    `while waiting: ${REFUSED_POD} admission webhook "a" denied the request: no`,
    `${REFUSED_POD} pods "web" is forbidden: exceeded quota: compute, requested: pods=1`,
    `${REFUSED_POD} clusterrolebindings.rbac.authorization.k8s.io is forbidden: User "x" cannot create resource "clusterrolebindings"`,
    `${REFUSED_POD} an admission plugin denied the request`,
  ].map((text) => ({
    row: 'kubernetes-error',
    answer: armError(400, 'KubernetesOperationError', text),
    expected: lost('KubernetesOperationError', CHECK),
  })),
  {
    row: 'no-such-cluster',
    answer: armError(404, 'ResourceNotFound', "The Resource 'x' was not found."),
    expected: notStarted('azure-refused', /correct the configuration/),
  },
  {
    row: 'unschedulable',
    answer: armError(404, 'NotFound', 'Not Found'),
    expected: lost('unschedulable', /could not be scheduled.*taints.*may still start/),
  },
  {
    row: 'not-found',
    answer: armError(404, 'SomethingNotFound', 'Not Found'),
    expected: lost('SomethingNotFound', CHECK_LOWER),
  },
  {
    row: 'unauthorised',
    answer: armError(403, 'AuthorizationFailed', 'The client does not have authorization'),
    expected: notStarted('azure-refused', /runcommand\/action.*commandResults\/read/),
  },
  {
    row: 'unauthenticated',
    answer: armError(401, 'InvalidAuthenticationToken'),
    expected: notStarted('azure-refused', /own token.*credential/),
  },
  {
    row: 'too-large',
    answer: { status: 413, body: 'Request Entity Too Large' },
    expected: notStarted('payload-too-large', /fewer or smaller files/),
  },
  {
    row: 'not-provisioned',
    answer: armError(400, 'BadRequest', "The cluster is being deleted or hasn't been fully provisioned yet."),
    expected: notStarted('cluster-unavailable', /not yet fully provisioned/),
  },
  {
    row: 'disabled',
    answer: armError(400, 'BadRequest', 'Run command is disabled on this cluster.'),
    expected: notStarted('cluster-unavailable', /disableRunCommand/),
  },
  {
    row: 'stopped',
    answer: armError(400, 'BadRequest', 'The managed cluster is stopped.'),
    expected: notStarted('cluster-unavailable', /start it/),
  },
  {
    row: 'not-supported',
    answer: armError(
      400,
      'NotSupportedSetup',
      'Run command is not supported when both Private Cluster and AAD are enabled',
    ),
    expected: notStarted('azure-refused', /does not support run command/),
  },
  {
    row: 'invalid-request',
    answer: armError(400, 'InvalidRequestContent', 'The request content was invalid'),
    expected: notStarted('azure-refused', /did not take the request/),
  },
  {
    row: 'operation-in-progress',
    answer: armError(409, 'OperationNotAllowed', 'Operation is not allowed: another operation is in progress'),
    expected: notStarted('cluster-unavailable', /Another operation/),
  },
  {
    row: 'not-passed-on',
    answer: armError(400, 'SomethingNew', 'said by ARM', { 'x-ms-failure-cause': 'gateway' }),
    expected: notStarted('azure-refused', /before it came to AKS.*Nothing ran.*SomethingNew/),
  },
  {
    row: 'not-passed-on',
    answer: armError(404, 'NotFound', '', { 'x-ms-failure-cause': 'gateway' }),
    expected: notStarted('azure-refused', /Nothing ran/),
  },
  { row: 'not-understood', answer: { status: 415 }, expected: notStarted('azure-refused', /form.*Nothing ran/) },
  // Its own time-out is not its refusal.
  {
    row: 'server-error',
    answer: armError(408, 'RequestTimeout', '', { 'x-ms-failure-cause': 'gateway' }),
    expected: lost('RequestTimeout', CHECK),
  },
  {
    row: 'server-error',
    answer: armError(504, 'GatewayTimeout', '', { 'x-ms-failure-cause': 'gateway' }),
    expected: lost('GatewayTimeout', CHECK),
  },
  {
    row: 'did-not-start-in-time',
    answer: armError(400, 'Anything', 'container did not start within 30s', { 'x-ms-failure-cause': 'gateway' }),
    expected: lost('Anything', CHECK),
  },
  { row: 'server-error', answer: { status: 500, body: '' }, expected: lost('Http500', CHECK) },
  ...['Run command is disabled on this cluster.', 'The managed cluster is stopped.', 'power state unknown'].map(
    (words) => ({
      row: 'server-error',
      answer: armError(500, 'InternalServerError', words),
      expected: lost('InternalServerError', CHECK),
    }),
  ),
  { row: 'server-error', answer: armError(503, 'ServerTimeout'), expected: lost('ServerTimeout', CHECK) },
  { row: 'server-error', answer: { status: 504, body: '<html>gateway time-out' }, expected: lost('Http504', CHECK) },
  {
    row: undefined,
    answer: armError(400, 'SomethingNew', 'what nobody has seen', { 'x-ms-failure-cause': 'service' }),
    expected: lost('SomethingNew', /does not know/),
  },
  { row: undefined, answer: armError(418, 'Teapot'), expected: lost('Teapot', CHECK) },
];

describe('an error in answer to the POST', () => {
  beforeAll(() => {
    relay = relayTo(arm.url);
  });

  test.each(cases)('$row → $expected.kind $expected.code', async ({ answer, expected }) => {
    arm.script('post', answer);
    const before = arm.requests.length;
    const submitted = await relay.submit(submission('kubectl', 'apply'));
    expect(submitted.kind).toBe(expected.kind);
    const [code, words] =
      submitted.kind === 'not-started'
        ? [submitted.problem.code, submitted.problem.message]
        : submitted.kind === 'lost'
          ? [submitted.code, submitted.message]
          : ['', ''];
    expect(code).toBe(expected.code);
    expect(words).toMatch(expected.words);
    expect(arm.requests).toHaveLength(before + 1);
  });

  test('every row of the catalogue is among these, and each is found by its own case', () => {
    const tested = new Set(cases.map(({ row }) => row));
    // Throttling goes out again: its test is below.
    expect(postRows.map(({ id }) => id).filter((id) => !tested.has(id))).toEqual(['throttled']);
    for (const { row, answer } of cases) expect(findRow(asRefusal(answer))?.id).toBe(row);
  });

  test('nobody there: nothing was started, and the caller may try again', async () => {
    const unused = await closedPort();
    const submitted = await relayTo(`http://127.0.0.1:${unused}`).submit(submission('kubectl', 'apply'));
    expect(submitted).toMatchObject({ kind: 'not-started', problem: { code: 'azure-unreachable' } });
  });

  test('a token that cannot be had: nothing was sent', async () => {
    const before = arm.requests.length;
    const without = relayTo(arm.url, { credential: () => Promise.reject(new Error('secret details')) });
    const submitted = await without.submit(submission('kubectl', 'apply'));
    expect(submitted).toMatchObject({ kind: 'not-started', problem: { code: 'azure-unreachable' } });
    expect(JSON.stringify(submitted)).not.toContain('secret details');
    expect(arm.requests).toHaveLength(before);
  });

  test('no answer within 90 s: lost', async () => {
    arm.script('post', 'silence');
    const clock = createManualClock();
    const client = createArm({ endpoint: arm.url, token: () => Promise.resolve(new Secret('t')), clock });
    const before = arm.requests.length;
    const answer = client.run(cluster.arm, { text: 'true', fence: () => undefined });
    while (arm.requests.length === before) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(75_000);
    let settled = false;
    void answer.then(() => (settled = true));
    await clock.advance(1_000);
    expect(settled).toBe(false);
    await clock.advance(15_000);
    expect(await answer).toMatchObject({ kind: 'lost', code: 'Timeout' });
    expect(clock.sleeping()).toBe(0);
  });

  test('a gateway that stops while the answer is awaited: lost, not refused', async () => {
    arm.script('post', 'silence');
    const stopping = new AbortController();
    const before = arm.requests.length;
    const submitted = relay.submit(submission('kubectl', 'apply'), stopping.signal);
    while (arm.requests.length === before) await new Promise((resolve) => setImmediate(resolve));
    stopping.abort(new Error('stopping'));
    expect(await submitted).toMatchObject({ kind: 'lost' });
  });

  test('a gateway that stops before anything was sent: not started', async () => {
    const before = arm.requests.length;
    const submitted = await relay.submit(submission('kubectl', 'apply'), AbortSignal.abort(new Error('stopping')));
    expect(submitted).toMatchObject({ kind: 'not-started', problem: { code: 'gateway-busy' } });
    expect(arm.requests).toHaveLength(before);
  });

  test('a 429 is obeyed, and the command goes out again', async () => {
    arm.script('post', armError(429, 'Throttled', 'slow down', { 'retry-after': '1' }), accepted);
    const before = arm.requests.length;
    const begun = Date.now();
    expect(await relayTo(arm.url).submit(submission('kubectl', 'apply'))).toMatchObject({ kind: 'accepted' });
    expect(arm.requests).toHaveLength(before + 2);
    expect(Date.now() - begun).toBeGreaterThan(1_000);
  });

  test('a 429 with a long Retry-After is handed on to the caller', async () => {
    arm.script('post', armError(429, 'Throttled', '', { 'retry-after': '240' }));
    const before = arm.requests.length;
    const submitted = await relayTo(arm.url).submit(submission('kubectl', 'apply'));
    expect(submitted).toMatchObject({ kind: 'not-started', problem: { code: 'azure-throttled' } });
    if (submitted.kind === 'not-started') expect(submitted.problem.options.retryAfter).toBeGreaterThanOrEqual(240);
    expect(arm.requests).toHaveLength(before + 1);
  });

  test('plain http to another machine is refused before anything is sent', () => {
    expect(() =>
      createArm({ endpoint: 'http://example.com', token: () => Promise.resolve(new Secret('')), clock: systemClock }),
    ).toThrow(/loopback/);
  });

  test('neither the cluster token nor the command is in any error', async () => {
    arm.script('post', armError(400, 'SomethingNew', 'no'));
    const submitted = await relay.submit({
      ...submission('kubectl', 'get', 'the-very-word'),
      authorise: () => Promise.resolve({ clusterToken: new Secret('the-cluster-token') }),
    });
    expect(JSON.parse(arm.requests.at(-1)?.body ?? '{}')).toMatchObject({ clusterToken: 'the-cluster-token' });
    expect(JSON.stringify(submitted)).not.toMatch(/the-cluster-token|the-very-word/);
  });
});

describe('a Location that is not what it should be', () => {
  const at = (location: string | undefined, requestId?: string): ReplayAnswer => ({
    status: 202,
    headers: {
      ...(location === undefined ? {} : { location }),
      ...(requestId === undefined ? {} : { 'x-ms-request-id': requestId }),
    },
  });

  test.each([
    ['on another host', at(`https://attacker.example/x/commandResults/${ID}`)],
    [
      'without the subscription (seen in May 2022)',
      at(`/subscriptions//managedclusters/x/commandResults/${ID}?api-version=1`),
    ],
    ['missing, with a request id', at(undefined, '476c5642-0763-494c-a19c-24e67f15f66e')],
  ])('%s: only the id is taken, and our own URL is polled', async (_, answer) => {
    arm.script('post', answer);
    arm.script('result', ended('"provisioningState":"Succeeded","exitCode":0,"logs":""'));
    const own = relayTo(arm.url);
    expect(await own.submit(submission('kubectl'))).toMatchObject({ kind: 'accepted', commandId: ID });
    await own.follow(run());
    expect(arm.requests.at(-1)?.url).toMatch(new RegExp(`^${cluster.arm.id}/commandResults/${ID}\\?api-version=`));
  });

  test.each([
    ['missing altogether', at(undefined)],
    ['with what is not an id', at('https://management.azure.com/x/commandResults/../../secrets')],
  ])('%s: lost, since the command was taken', async (_, answer) => {
    arm.script('post', answer);
    expect(await relayTo(arm.url).submit(submission('kubectl'))).toMatchObject({
      kind: 'lost',
      code: 'UnreadableAnswer',
    });
  });
});

describe('the end of a run', () => {
  test.each([
    [
      'succeeded, in raw mode',
      ended('"provisioningState":"Succeeded","exitCode":1,"logs":"error: You must be logged in\\n"'),
      { kind: 'completed', exitCode: 1, streams: 'merged' },
    ],
    [
      'failed, in lower case, its image not available (R7)',
      ended('"provisioningState":"failed","reason":"ImagePullBackoff"'),
      { kind: 'failed', code: 'ImagePullBackoff' },
    ],
    [
      'Failed without a reason (a one hour drain)',
      ended('"provisioningState":"Failed"'),
      { kind: 'unknown', code: 'Failed' },
    ],
    [
      'Failed for a reason of its own',
      ended('"provisioningState":"Failed","reason":"DeadlineExceeded"'),
      { kind: 'unknown', code: 'DeadlineExceeded' },
    ],
    ['Canceled', ended('"provisioningState":"Canceled"'), { kind: 'unknown' }],
    [
      'without an exit code',
      ended('"provisioningState":"Succeeded","logs":"x"'),
      { kind: 'unknown', code: 'NoExitCode' },
    ],
    [
      'of another command',
      {
        status: 200,
        headers: json,
        body: `{"id":"${'0'.repeat(32)}","properties":{"provisioningState":"Succeeded","exitCode":0,"logs":"secrets"}}`,
      },
      { kind: 'unknown', code: 'ForeignResult' },
    ],
    [
      'without an id, and without frames',
      { status: 200, headers: json, body: '{"properties":{"provisioningState":"Succeeded","exitCode":0,"logs":"x"}}' },
      { kind: 'unknown', code: 'NoIdentity' },
    ],
    [
      'without logs',
      ended('"provisioningState":"Succeeded","exitCode":0,"logs":null'),
      { kind: 'unknown', code: 'NoLogs' },
    ],
    [
      'begun by the launcher, without its end, and yet with 0',
      ended(`"provisioningState":"Succeeded","exitCode":0,"logs":"AKSGW1 S ${run().nonce}\\nxx"`),
      { kind: 'unknown', code: 'NoFrame' },
    ],
    [
      'begun by the launcher, which was killed',
      ended(`"provisioningState":"Succeeded","exitCode":137,"logs":"AKSGW1 S ${run().nonce}\\nxx"`),
      { kind: 'completed', exitCode: 137, truncated: true, stdout: new Uint8Array(0) },
    ],
    [
      'with a header and a trailer that differ',
      ended(
        `"provisioningState":"Succeeded","exitCode":0,"logs":"AKSGW1 S ${run().nonce}\\nAKSGW1 H ${run().nonce} rc=0 timeout=0 enc=raw o=0,0,- e=0,0,- cut=0 miss=-\\nAKSGW1 T ${run().nonce} rc=7 timeout=0 enc=raw o=0,0,- e=0,0,- cut=0 miss=-\\n"`,
      ),
      {
        kind: 'unknown',
        code: 'InconsistentResult',
        inconsistent: expect.stringMatching(/0 and ends with exit code 7/),
      },
    ],
    [
      "of which only another command's trailer is left",
      ended(`"provisioningState":"Succeeded","exitCode":0,"logs":"secrets AKSGW1 T ${'f'.repeat(32)} rc=0"`),
      { kind: 'unknown', code: 'ForeignResult' },
    ],
    [
      'as long as Azure lets any be, in raw mode',
      ended(`"provisioningState":"Succeeded","exitCode":0,"logs":"${'x'.repeat(524_288)}"`),
      { kind: 'completed', truncated: true },
    ],
    [
      'with an exit code that none can be',
      ended('"provisioningState":"Succeeded","exitCode":1e300,"logs":"x"'),
      { kind: 'unknown', code: 'UnreadableAnswer' },
    ],
    [
      'with frames of another command',
      ended(`"provisioningState":"Succeeded","exitCode":0,"logs":"AKSGW1 S ${'f'.repeat(32)}\\nsecrets"`),
      { kind: 'unknown', code: 'ForeignResult' },
    ],
    [
      'Go-escaped',
      ended('"provisioningState":"Succeeded","exitCode":0,"logs":"\\u003cnone\\u003e"'),
      { kind: 'completed', stdout: Buffer.from('<none>') },
    ],
  ] as const)('%s', async (_, answer, expected) => {
    arm.script('result', running, answer);
    const clock = createManualClock(Date.now());
    const ends: Ended[] = [];
    void relayTo(arm.url, { clock })
      .follow(run())
      .then((ended) => ends.push(ended));
    // An answer that cannot be read is asked for again, for minutes.
    for (let minutes = 0; ends.length === 0 && minutes < 7; minutes += 1) await pass(clock, 60_000);
    expect(ends).toMatchObject([expected]);
  });

  test.each(['Updating', 'Creating', 'Canceling', 'Running', 'Succeeding', 'SomethingNew'])(
    '%s in a 200 is not it: what comes later is not lost',
    async (state) => {
      arm.script(
        'result',
        ended(`"provisioningState":"${state}","exitCode":1,"reason":"${state}","logs":""`),
        ended('"provisioningState":"SUCCEEDED","exitCode":0,"logs":"shop\\n"'),
      );
      const clock = createManualClock(Date.now());
      const followed = relayTo(arm.url, { clock }).follow(run());
      expect(await drive(clock, followed)).toMatchObject({
        kind: 'completed',
        exitCode: 0,
        stdout: Buffer.from('shop\n'),
      });
    },
  );

  test('a frame that disagrees with Azure on the exit code is told of', async () => {
    const fields = 'rc=3 timeout=0 enc=raw o=0,0,- e=0,0,- cut=0 miss=-';
    const nonce = run().nonce;
    arm.script(
      'result',
      ended(
        `"provisioningState":"Succeeded","exitCode":0,"logs":"AKSGW1 S ${nonce}\\nAKSGW1 H ${nonce} ${fields}\\nAKSGW1 T ${nonce} ${fields}\\n"`,
      ),
    );
    expect(await relayTo(arm.url).follow(run())).toMatchObject({
      kind: 'completed',
      exitCode: 3,
      inconsistent: 'The frame says exit code 3, Azure says 0.',
    });
  });

  test('polls survive resets, 5xx, 429s and bodies that are no JSON', async () => {
    arm.script(
      'result',
      'reset',
      { status: 502, body: '' },
      armError(429, 'Throttled', '', { 'retry-after': '1' }),
      { status: 200, headers: json, body: '{"id":' },
      ended('"provisioningState":"Succeeded","exitCode":0,"logs":""'),
    );
    const clock = createManualClock(Date.now());
    const followed = relayTo(arm.url, { clock }).follow(run());
    expect(await drive(clock, followed)).toMatchObject({ kind: 'completed', exitCode: 0 });
  });

  test.each([
    ['403', armError(403, 'AuthorizationFailed', 'no'), 15, /may not read it so far.*AuthorizationFailed/],
    ['302', { status: 302, headers: { location: 'http://127.0.0.1:1/' }, body: '' }, 5, /does not give it so far/],
    [
      'a page in place of JSON',
      { status: 200, headers: { 'content-type': 'text/html' }, body: '<p>' },
      5,
      /but not with what/,
    ],
    [
      'another type than it says',
      { ...ended('"provisioningState":"Succeeded"'), headers: { 'content-type': 'application/json-seq' } },
      5,
      /but not with what/,
    ],
    ['401', armError(401, 'ExpiredAuthenticationToken', 'no'), 60, /ExpiredAuthenticationToken/],
  ] as const)('%s for a running command is borne for minutes, with its reason', async (_, answer, minutes, words) => {
    arm.script('result', answer);
    const clock = createManualClock(Date.now());
    const told: (string | undefined)[] = [];
    let end: Ended | undefined;
    void relayTo(arm.url, { clock })
      .follow(run(), undefined, (trouble) => told.push(trouble))
      .then((ended) => (end = ended));
    await pass(clock, minutes * 60_000);
    expect(end).toBeUndefined();
    expect(told).toEqual([expect.stringMatching(words)]);
    // A run that was found again may have waited ten minutes before it was sent.
    await pass(clock, 13 * 60_000);
    expect(end).toMatchObject({ kind: 'unknown' });
  });

  test('a refusal that passes leaves no mark', async () => {
    arm.script(
      'result',
      armError(403, 'AuthorizationFailed', 'no'),
      armError(401, 'X', 'no'),
      ended('"provisioningState":"Succeeded","exitCode":0,"logs":"x"'),
    );
    const clock = createManualClock(Date.now());
    const told: (string | undefined)[] = [];
    const followed = relayTo(arm.url, { clock }).follow(run(), undefined, (trouble) => told.push(trouble));
    expect(await drive(clock, followed)).toMatchObject({ kind: 'completed', exitCode: 0 });
    expect(told.at(-1)).toBeUndefined();
  });

  test('a result that may not be read is unknown in the end, and says which permission is missing', async () => {
    arm.script('result', armError(403, 'AuthorizationFailed', 'no'));
    const clock = createManualClock(Date.now());
    const followed = relayTo(arm.url, { clock }).follow(run());
    await pass(clock, 16 * 60_000);
    expect(await followed).toMatchObject({
      kind: 'unknown',
      code: 'AuthorizationFailed',
      message: expect.stringMatching(/was started.*commandResults\/read/),
    });
  });

  test('"not found" is not believed while Azure is known to keep results, and then it is', async () => {
    arm.script('result', running, armError(404, 'NotFound'));
    const clock = createManualClock(Date.now());
    let end: Ended | undefined;
    void relayTo(arm.url, { clock })
      .follow({ ...run(), timeoutSeconds: 3_600 })
      .then((ended) => (end = ended));
    await pass(clock, 5.5 * 60_000);
    expect(end).toBeUndefined();
    await pass(clock, 2 * 60_000);
    expect(end).toMatchObject({ kind: 'unknown', code: 'NotFound', message: expect.stringMatching(/no longer has/) });
  });

  test('a result that is gone is unknown', async () => {
    arm.script('result', armError(404, 'NotFound'));
    const clock = createManualClock(Date.now());
    const before = arm.requests.length;
    const ended = relayTo(arm.url, { clock }).follow({ ...run(), submittedAt: Date.now() - 3_000_000 });
    expect(await drive(clock, ended)).toMatchObject({ kind: 'unknown', code: 'NotFound' });
    expect(arm.requests).toHaveLength(before + 3);
  });

  test('a run that never ends is given up long after its time limit', async () => {
    arm.script('result', running);
    const stale = { ...run(), submittedAt: Date.now() - 3_600_000 };
    const clock = createManualClock(Date.now());
    const ended = relayTo(arm.url, { clock }).follow(stale);
    await clock.advance(30_000);
    expect(await ended).toMatchObject({ kind: 'unknown', code: 'NeverEnded' });
  });

  test('a follower who goes away leaves the others; when the last goes the polls stop', async () => {
    arm.script('result', running);
    const own = relayTo(arm.url);
    const [one, two] = [new AbortController(), new AbortController()];
    const first = own.follow(run(), one.signal);
    const second = own.follow(run(), two.signal);
    one.abort(new Error('first goes'));
    await expect(first).rejects.toThrow('first goes');
    const before = arm.requests.length;
    while (arm.requests.length < before + 2) await new Promise((resolve) => setTimeout(resolve, 20));
    two.abort(new Error('second goes'));
    await expect(second).rejects.toThrow('second goes');
    const after = arm.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(arm.requests.length).toBeLessThanOrEqual(after);
  });
});

/** Lets `ms` pass, in steps long enough for what is polled rarely, while real sockets answer. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5_000) {
    await clock.advance(5_000);
    while (arm.answering() > 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Moves the clock on while real sockets answer. */
async function drive<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  const never = Symbol('not yet');
  for (;;) {
    const got = await Promise.race([promise, new Promise<typeof never>((resolve) => setTimeout(resolve, 1, never))]);
    if (got !== never) return got;
    await clock.advance(100);
  }
}

function asRefusal(answer: ReplayAnswer): Refusal {
  if (typeof answer === 'string') throw new Error('no answer');
  let parsed: { error?: { code?: string; message?: string } } = {};
  try {
    parsed = JSON.parse(answer.body ?? '') as typeof parsed;
  } catch {
    parsed = {};
  }
  return {
    status: answer.status,
    code: parsed.error?.code ?? `Http${answer.status}`,
    message: parsed.error?.message ?? '',
    ...(answer.headers?.['x-ms-failure-cause'] === 'gateway' && { byArm: true }),
  };
}

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
