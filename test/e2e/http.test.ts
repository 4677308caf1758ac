import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect } from 'node:net';
import { Compile } from 'typebox/compile';
import { problems } from '../../shared/errors.ts';
import { ExplainBody, ProblemBody, RecordBody } from '../../shared/http/schemas.ts';
import { held, type OpenApi } from '../support/openapi.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

// Every answer in this file is held against the OpenAPI document as well.
let stack: TestStack & { readonly document: OpenApi };
beforeAll(async () => {
  stack = await held(
    await testStack({ edit: (yaml) => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 10000') }),
  );
});
afterAll(() => stack.close());

const record = Compile(RecordBody);
const problem = Compile(ProblemBody);

const PODS = { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] };

describe('POST /v1/clusters/{cluster}/commands', () => {
  test('runs the command and answers with its record, as the schema describes it', async () => {
    const answer = await stack.command({ ...PODS, reason: 'INC-1', requestedBy: 'ada on chat' });
    expect(answer.status).toBe(200);
    expect([...record.Errors(answer.body)]).toEqual([]);
    expect(answer.body).toMatchObject({
      cluster: 'demo',
      argv: PODS.argv,
      status: 'completed',
      exitCode: 0,
      stderr: '',
      streams: 'separate',
      truncated: false,
      timedOut: false,
      warnings: [],
      reason: 'INC-1',
      requestedBy: 'ada on chat',
      principal: { kind: 'user', oid: people.user },
      decision: { role: 'shop-deployer' },
      azure: { commandId: stack.azure.arm.posts.at(-1)?.commandId },
    });
    expect(answer.body.stdout).toMatch(/^NAME +READY/);
    const { submittedAt, startedAt, finishedAt } = answer.body;
    expect(submittedAt <= (startedAt ?? '') && (startedAt ?? '') <= (finishedAt ?? '')).toBe(true);
    expect(answer.headers.get('content-location')).toBe(`/v1/commands/${answer.body.id}`);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body.receipt?.split('.').length).toBe(3);
    expect(answer.headers.get('server-timing')).toMatch(/^gateway;dur=[\d.]+, queue;dur=[\d.]+, azure;dur=[\d.]+$/);
  });

  test('takes a command as text too: POSIX words and quotes', async () => {
    const { body } = await stack.command({
      command: `kubectl get 'pods' -n "shop" --output 'name'`,
    });
    expect(body).toMatchObject({ status: 'completed', exitCode: 0 });
    expect(body.argv).toEqual(['kubectl', 'get', 'pods', '-n', 'shop', '--output', 'name']);
    expect(body.stdout).toContain('web-');
  });

  test("keeps the command's own exit code and standard error", async () => {
    const { status, body } = await stack.command({ argv: ['kubectl', 'get', 'deployment', 'nope', '-n', 'shop'] });
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'completed', exitCode: 1, stdout: '' });
    expect(body.stderr).toContain('not found');
  });

  test('answers 202 with a Location when the caller would rather not wait, and the Location leads to the end', async () => {
    const answer = await stack.command(PODS, { headers: { prefer: 'respond-async' } });
    expect(answer.status).toBe(202);
    expect(answer.headers.get('preference-applied')).toBe('respond-async');
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    const location = answer.headers.get('location') ?? '';
    expect(location).toBe(`/v1/commands/${answer.body.id}`);
    const end = await stack.request('GET', location, { headers: { prefer: 'wait=20' } });
    expect(end.status).toBe(200);
    expect(end.body).toMatchObject({ id: answer.body.id, status: 'completed', exitCode: 0 });
    expect(end.headers.get('preference-applied')).toBe('wait=20');
  });

  test('answers a Prefer: wait that is shorter than the command with the record so far', async () => {
    stack.azure.arm.faults.post({ kind: 'slow', ms: 1_500 });
    const answer = await stack.command(PODS, { headers: { prefer: 'wait=1' } });
    expect(answer.status).toBe(202);
    expect(['accepted', 'submitting', 'running']).toContain(answer.body.status);
    const end = await stack.request('GET', `/v1/commands/${answer.body.id}`, { headers: { prefer: 'wait=20' } });
    expect(end.body.status).toBe('completed');
  });

  test('gives the first or the last lines of an output, its size told of the whole', async () => {
    const whole = (await stack.command(PODS)).body;
    const lines = whole.stdout.split(/(?<=\n)/);
    expect(lines.length).toBeGreaterThan(2);
    const part = (query: string, headers = {}) =>
      stack.request('GET', `/v1/commands/${whole.id}?${query}`, { headers });
    const [first = ''] = lines;
    const last = lines.at(-1) ?? '';
    expect((await part('head=1')).body).toMatchObject({ stdout: first, outputBytes: whole.outputBytes });
    expect((await part('tail=1')).body).toMatchObject({ stdout: last, outputBytes: whole.outputBytes });
    expect((await part('tail=2')).body.stdout).toBe(lines.slice(-2).join(''));
    expect((await part('head=1000000')).body.stdout).toBe(whole.stdout);
    expect((await part('tail=1', { accept: 'text/plain' })).text).toBe(last);
    for (const query of ['head=1&tail=1', 'head=0', 'tail=-1', 'tail=x', 'head=1000001', 'lines=1'])
      expect([query, (await part(query)).body.code]).toEqual([query, 'request-invalid']);
  });

  test('gives plain text on request: stdout, then stderr, and the exit code in a header', async () => {
    const fine = await stack.command(PODS, { headers: { accept: 'text/plain' } });
    expect([fine.status, fine.headers.get('exit-code')]).toEqual([200, '0']);
    expect(fine.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(fine.text).toMatch(/^NAME +READY/);
    const failing = await stack.command(
      { argv: ['kubectl', 'get', 'pod', 'nope', '-n', 'shop'] },
      { headers: { accept: 'text/plain' } },
    );
    expect([failing.status, failing.headers.get('exit-code')]).toEqual([200, '1']);
    expect(failing.text).toContain('not found');
  });

  test.each([
    ['failed', { kind: 'failed', reason: 'ImagePullBackoff' }, 502],
    ['unknown', { kind: 'resetAfter' }, 504],
  ] as const)('never lets %s look like empty success in plain text', async (status, fault, code) => {
    stack.azure.arm.faults.post(fault);
    const answer = await stack.command(PODS, { headers: { accept: 'text/plain' } });
    expect(answer.status).toBe(code);
    expect(answer.headers.get('exit-code')).toBeNull();
    expect(answer.text).toMatch(new RegExp(`^${status}: `));
  });

  test('tells a cluster that is not there from none at all by nothing', async () => {
    const unknown = await stack.request('POST', '/v1/clusters/nope/commands', { body: PODS });
    const unseen = await stack.command(PODS, { token: stack.tokens.auditor });
    const stranger = await stack.command(PODS, {
      token: await stack.azure.entra.userToken({ oid: '99999999-9999-4999-8999-999999999999' }),
    });
    expect(unknown).toMatchObject({ status: 404, body: { code: 'cluster-not-found' } });
    expect(stranger).toMatchObject({ status: 404, body: { code: 'cluster-not-found' } });
    expect([403, 404]).toContain(unseen.status);
  });
});

describe('idempotency', () => {
  // A change that may come twice in a second (kubectl refuses a second restart in the same one), and that the stand-in kubectl knows.
  const rescale = { argv: ['kubectl', 'scale', 'deployment/web', '--replicas=2', '-n', 'shop'] };
  const keyed = (key: string, token = stack.tokens.user) => ({ token, headers: { 'idempotency-key': key } });
  const executions = () => stack.azure.arm.executions.length;

  test('the same key with the same body is the same record, in flight too, and is run once', async () => {
    const before = executions();
    const [one, two] = await Promise.all([
      stack.command(rescale, keyed('"k1"')),
      stack.command(rescale, keyed('"k1"')),
    ]);
    const three = await stack.command({ ...rescale }, keyed('k1'));
    expect(new Set([one.body.id, two.body.id, three.body.id]).size).toBe(1);
    expect([one.status, two.status, three.status]).toEqual([200, 200, 200]);
    expect(executions() - before).toBe(1);
    expect([one, two].filter(({ body }) => body.replayed)).toHaveLength(1);
    expect(three.body.replayed).toBe(true);
    expect((await stack.request('GET', `/v1/commands/${one.body.id}`)).body.replayed).toBe(false);
  });

  test('a record that waits for nothing says too that it is a replay', async () => {
    const { token, headers } = keyed('k6');
    const send = () => stack.command(rescale, { token, headers: { ...headers, prefer: 'respond-async' } });
    const [first, second] = [await send(), await send()];
    expect([first.body.replayed, second.body.replayed]).toEqual([false, true]);
    expect(second.body.id).toBe(first.body.id);
  });

  test('with another body it is a conflict', async () => {
    await stack.command(rescale, keyed('k2'));
    const other = await stack.command({ ...rescale, reason: 'another' }, keyed('k2'));
    expect(other).toMatchObject({ status: 409, body: { code: 'idempotency-conflict' } });
  });

  test("one caller's key is not another's", async () => {
    const look = { argv: ['kubectl', 'get', 'deployments', '-n', 'shop'] };
    const mine = await stack.command(look, keyed('k3'));
    const theirs = await stack.command(look, keyed('k3', stack.tokens.job));
    expect(theirs.status).toBe(200);
    expect(theirs.body.id).not.toBe(mine.body.id);
  });

  test('a refusal does not use the key up', async () => {
    const denied = await stack.command({ argv: ['kubectl', 'get', 'secrets', '-n', 'shop'] }, keyed('k4'));
    expect(denied.status).toBe(403);
    stack.azure.arm.faults.post({ kind: 'status', status: 403, code: 'AuthorizationFailed', message: 'no' });
    const refused = await stack.command(rescale, keyed('k4'));
    expect(refused).toMatchObject({ status: 502, body: { code: 'azure-refused' } });
    const fine = await stack.command(rescale, keyed('k4'));
    expect(fine).toMatchObject({ status: 200, body: { exitCode: 0 } });
  });

  test('every replay is authorised afresh: what was allowed once is not given to one who has lost the right', async () => {
    const mine = await stack.command(rescale, keyed('k5'));
    expect(mine.status).toBe(200);
    const outOfTheTeam = await stack.azure.entra.userToken({ oid: people.user });
    const before = executions();
    const replay = await stack.command(rescale, keyed('k5', outOfTheTeam));
    expect(replay).toMatchObject({ status: 404, body: { code: 'cluster-not-found' } });
    expect(await stack.command(rescale, keyed('k5'))).toMatchObject({ status: 200, body: { id: mine.body.id } });
    expect(executions()).toBe(before);
  });

  test.each(['', '""', 'a b', 'é', 'x'.repeat(256), '"unclosed'])('the key %j is not a key', async (key) => {
    const answer = await stack.command(rescale, keyed(encodeURI(key) === key ? key : 'a b'));
    expect(answer).toMatchObject({ status: 400, body: { code: 'request-invalid' } });
  });
});

describe('hostile bodies give problems, never a 500, and nothing runs', () => {
  const cases: readonly [string, unknown, number, string][] = [
    ['no JSON', '{', 400, 'request-invalid'],
    ['an array', '[]', 400, 'request-invalid'],
    ['null', 'null', 400, 'request-invalid'],
    ['neither argv nor command', '{}', 400, 'request-invalid'],
    ['both argv and command', '{"argv":["kubectl","version"],"command":"kubectl version"}', 400, 'request-invalid'],
    ['an unknown key', '{"argv":["kubectl","version"],"force":true}', 400, 'request-invalid'],
    ['a key twice', '{"argv":["kubectl","version"],"argv":["kubectl","delete","ns","shop"]}', 400, 'request-invalid'],
    ['argv as text', '{"argv":"kubectl version"}', 400, 'request-invalid'],
    ['argv of numbers', '{"argv":["kubectl",1]}', 400, 'request-invalid'],
    ['an empty argv', '{"argv":[]}', 400, 'request-invalid'],
    ['a time-out of 0', '{"argv":["kubectl","version"],"timeoutSeconds":0}', 400, 'request-invalid'],
    ['a time-out of 1.5', '{"argv":["kubectl","version"],"timeoutSeconds":1.5}', 400, 'request-invalid'],
    ['a time-out beyond the most', '{"argv":["kubectl","version"],"timeoutSeconds":3601}', 400, 'request-invalid'],
    ['deep nesting', `{"argv":${'['.repeat(5000)}${']'.repeat(5000)}}`, 400, 'request-invalid'],
    ['no UTF-8', Buffer.from('7b2261726776223a5b22c328225d7d', 'hex'), 400, 'request-invalid'],
    [
      'a file with both contents',
      '{"argv":["kubectl","version"],"files":[{"path":"a","content":"","contentBase64":""}]}',
      400,
      'request-invalid',
    ],
    ['a file with no content', '{"argv":["kubectl","version"],"files":[{"path":"a"}]}', 400, 'request-invalid'],
    [
      'a file that is not Base64',
      '{"argv":["kubectl","version"],"files":[{"path":"a","contentBase64":"***"}]}',
      400,
      'request-invalid',
    ],
    ['a prototype', '{"argv":["kubectl","version"],"__proto__":{"x":1}}', 400, 'request-invalid'],
    [
      'a thousand words too many',
      JSON.stringify({ argv: ['kubectl', ...Array.from({ length: 1000 }, () => 'x')] }),
      400,
      'request-invalid',
    ],
    ['an unknown tool', '{"argv":["bash","-c","id"]}', 400, 'command-refused'],
    ['NUL in a word', String.raw`{"argv":["kubectl","get","pods\u0000"]}`, 400, 'command-refused'],
    ['more than the gateway takes', Buffer.alloc(9 * 1024 * 1024, 0x20), 413, 'payload-too-large'],
  ];

  test.each(cases)('%s', async (_name, body, status, code) => {
    const before = stack.azure.arm.posts.length;
    const answer = await stack.command(body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect([...problem.Errors(answer.body)]).toEqual([]);
    expect(stack.azure.arm.posts.length).toBe(before);
  });

  test('a body of another kind', async () => {
    const answer = await stack.command('argv=kubectl', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(answer).toMatchObject({ status: 415, body: { code: 'media-type-unsupported' } });
  });

  test('no body at all', async () => {
    const answer = await stack.request('POST', '/v1/clusters/demo/commands');
    expect(answer.status).toBeLessThan(500);
    expect(answer.body.code).toMatch(/request-invalid|media-type-unsupported/);
  });

  test('a stranger is told to go before a byte of its body is read', async () => {
    const answer = await stack
      .command(Buffer.alloc(9 * 1024 * 1024, 0x20), { token: null })
      .catch((error: unknown) => error);
    // The connection may be closed on the sender before it has read the answer; what must not be is 413 or 400.
    if (!(answer instanceof TypeError)) expect(answer).toMatchObject({ status: 401, body: { code: 'token-missing' } });
    const { port, hostname } = new URL(stack.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      'POST /v1/clusters/demo/commands HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{',
    );
    const head = await new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(chunk.toString())));
    socket.destroy();
    expect(head).toMatch(/^HTTP\/1.1 401 /);
  });

  test.each([
    ['GET', '/v1/commands/..%2f..%2fetc'],
    ['GET', `/v1/commands/${'x'.repeat(200)}`],
    ['GET', '/v1/commands?limit=0'],
    ...['abc', '', '7.9', 'true', '0x10', '1e1', '-1', '1&limit=2'].map((limit) => [
      'GET',
      `/v1/commands?limit=${limit}`,
    ]),
    ['GET', '/v1/commands?cursor=%00'],
    ['GET', '/v1/commands?unknown=1'],
    ['GET', '/v1/commands?status=done'],
    ['GET', '/v1/audit/events?since=yesterday'],
    ['GET', '/v1/audit/events?since=2026-02-31'],
    ['GET', '/v1/audit/events?cursor=zzz'],
    ['GET', '/v1/%ZZ'],
    ['PUT', '/v1/clusters/demo/commands'],
    ['GET', '/nope'],
  ])('%s %s is a problem of the caller', async (method, path) => {
    const answer = await stack.request(method, path, {
      token: path.startsWith('/v1/audit') ? stack.tokens.auditor : stack.tokens.user,
    });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect([...problem.Errors(answer.body)]).toEqual([]);
  });
});

describe("Azure's words", () => {
  const faults = () => stack.azure.arm.faults;
  const refuse = (status: number, code: string, message: string): void =>
    faults().post({ kind: 'status', status, code, message });

  test('the policy that forbids the pod is named, with what the operator can do: nothing ran', async () => {
    refuse(
      400,
      'KubernetesOperationError',
      'Failed to run command in managed cluster due to kubernetes failure. details: admission webhook "validation.gatekeeper.sh" denied the request: [azurepolicy-limits-1] memory',
    );
    const { status, body } = await stack.command(PODS);
    expect([status, body.code]).toEqual([502, 'azure-refused']);
    expect(body.detail).toMatch(/policy azurepolicy-limits-1 .*exempt the namespace aks-command.*Nothing ran/);
  });

  test('Not Found for a cluster that was read is unknown and says unschedulable: it may still start', async () => {
    refuse(404, 'NotFound', 'Not Found');
    expect((await stack.command(PODS)).body).toMatchObject({
      status: 'unknown',
      failure: { code: 'unschedulable', message: expect.stringMatching(/could not be scheduled.*may still start/) },
    });
  });

  test('a state that is not final ends nothing: the output is there in the end', async () => {
    faults().poll({
      kind: 'status',
      status: 200,
      body: '{"properties":{"provisioningState":"Updating","exitCode":9}}',
    });
    expect((await stack.command(PODS)).body).toMatchObject({
      status: 'completed',
      exitCode: 0,
      stdout: expect.stringContaining('web'),
    });
  });
});

describe('explain', () => {
  test('tells decision, rule, attributes and the exact text, and runs nothing', async () => {
    const before = stack.azure.arm.posts.length;
    const { status, body } = await stack.explain(PODS);
    expect(status).toBe(200);
    expect([...Compile(ExplainBody).Errors(body)]).toEqual([]);
    expect(body).toMatchObject({
      allowed: true,
      decision: { verdict: 'allow', role: 'shop-deployer' },
      attributes: [{ verb: 'list', group: '', resource: 'pods', subresource: '', namespace: 'shop', name: '' }],
    });
    const { body: ran } = await stack.command(PODS);
    expect(ran.exitCode).toBe(0);
    expect(stack.azure.arm.posts.length).toBe(before + 1);
  });

  test('what has no end of its own is given a window, however long the caller would wait', async () => {
    const request = { argv: ['kubectl', 'logs', 'deploy/web', '-f'], timeoutSeconds: 3000 };
    const { body } = await stack.command(request);
    expect(body.warnings).toEqual([expect.stringContaining('60 s')]);
    expect(stack.azure.arm.posts.at(-1)?.command).toContain('; t=60; ');
  });

  test('of something denied names the rule, of something refused the word', async () => {
    const secret = { argv: ['kubectl', 'create', 'secret', 'generic', 'db', "--from-literal=password=it's $(id)"] };
    const { body: own } = await stack.explain(secret);
    const script = String(own['command']).replace(/^'kubectl'/, "printf '%s\\n'");
    expect(execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' }).split('\n')).toEqual(
      expect.arrayContaining(["--from-literal=password=it's $(id)", '--namespace=shop']),
    );
    const denied = await stack.explain({ argv: ['kubectl', 'get', 'secrets', '-A'] }, { token: stack.tokens.bot });
    expect(denied.body).toMatchObject({
      allowed: false,
      decision: { verdict: 'deny', role: 'viewer', rule: 'deny[0]', reason: 'deny-rule' },
    });
    const refused = await stack.explain({ argv: ['kubectl', 'get', 'pods', '--kubeconfig=/x'] });
    expect(refused).toMatchObject({ status: 400, body: { code: 'command-refused' } });
    expect(refused.body.detail).toContain('--kubeconfig');
  });
});

describe('what needs no token', () => {
  test('health, readiness, metadata, OpenAPI and the page of documentation', async () => {
    const get = (path: string) => stack.request<Record<string, unknown>>('GET', path, { token: null });
    expect((await get('/healthz')).body).toMatchObject({ status: 'ok' });
    expect((await get('/readyz')).body).toEqual({
      status: 'ready',
      checks: { records: 'ok', audit: 'ok', identity: 'ok', azure: 'ok', configuration: 'ok' },
    });
    const metadata = await get('/.well-known/oauth-protected-resource');
    expect(metadata.body).toMatchObject({
      resource: stack.url,
      audience: stack.azure.entra.audience,
      tenant: stack.azure.entra.tenants[0],
      tenants: stack.azure.entra.tenants,
    });
    const docs = await get('/docs');
    expect(docs.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(docs.text).toContain('/v1/clusters/{cluster}/commands');
    expect(docs.text).not.toMatch(/src=|<script/);
  });

  test('OpenAPI names every route, and every problem that there is with the routes that give it', () => {
    const { document } = stack;
    expect(document.openapi).toBe('3.1.0');
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        route: `${method.toUpperCase()} ${path}`,
        path,
        operation,
      })),
    );
    expect(operations.map(({ route }) => route).sort()).toEqual([
      'GET /.well-known/oauth-protected-resource',
      'GET /docs',
      'GET /healthz',
      'GET /openapi.json',
      'GET /readyz',
      'GET /v1/audit/checkpoints',
      'GET /v1/audit/events',
      'GET /v1/batches/{id}',
      'GET /v1/clusters',
      'GET /v1/clusters/{cluster}',
      'GET /v1/clusters/{cluster}/access',
      'GET /v1/clusters/{cluster}/health',
      'GET /v1/commands',
      'GET /v1/commands/{id}',
      'GET /v1/jobs',
      'GET /v1/jobs/{name}',
      'GET /v1/whoami',
      'POST /v1/batches/{id}/cancel',
      'POST /v1/clusters/{cluster}/batches',
      'POST /v1/clusters/{cluster}/commands',
      'POST /v1/clusters/{cluster}/explain',
      'POST /v1/commands/{id}/cancel',
      'POST /v1/jobs/{name}/run',
    ]);
    const described = new Map<string, number>();
    for (const { path, operation } of operations) {
      const parameters = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      expect(parameters.map(({ name, required }) => [`{${name}}`, required])).toEqual(
        (path.match(/\{\w+\}/g) ?? []).map((name) => [name, true]),
      );
      for (const [status, { description, content }] of Object.entries(operation.responses)) {
        expect(status).toMatch(/^\d{3}$/);
        expect(description).not.toBe('');
        const problem = content['application/problem+json'];
        const codes = (problem?.schema as typeof ProblemBody | undefined)?.properties.code.enum ?? [];
        for (const code of codes) described.set(code, Number(status));
      }
    }
    const anywhere = [
      'route-not-found',
      'method-not-allowed',
      'request-timeout',
      'length-required',
      'expectation-failed',
      'headers-too-large',
    ];
    for (const code of anywhere) expect(document.info.description).toContain(code);
    expect(Object.fromEntries(described)).toEqual(
      Object.fromEntries(
        Object.entries(problems)
          .filter(([code]) => !anywhere.includes(code))
          .map(([code, { status }]) => [code, status]),
      ),
    );
  });

  test('everything else does', async () => {
    for (const path of [
      '/v1/clusters',
      '/v1/commands',
      '/v1/commands/x',
      '/v1/audit/events',
      '/v1/audit/checkpoints',
    ]) {
      const answer = await stack.request('GET', path, { token: null });
      expect(answer).toMatchObject({ status: 401, body: { code: 'token-missing' } });
      expect(answer.headers.get('www-authenticate')).toMatch(
        /^Bearer .*resource_metadata="http:\/\/127\.0\.0\.1:\d+\/\.well-known\/oauth-protected-resource"/,
      );
    }
  });
});

describe('the trail', () => {
  interface Events {
    readonly items: readonly {
      readonly code: string;
      readonly problem?: string;
      readonly principal?: { oid: string };
      readonly whose?: { readonly principal: { oid: string } };
      readonly cluster?: { name: string };
    }[];
    readonly next: string | null;
  }
  const events = (query: string, token = stack.tokens.auditor) =>
    stack.request<Events>('GET', `/v1/audit/events?${query}`, { token });

  test('has every refusal, those of bodies that were never understood too', async () => {
    const count = async (code: string) => {
      let total = 0;
      let cursor = '';
      for (let pages = 0; pages < 20; pages++) {
        const { body } = await events(`code=${code}&limit=1000${cursor}`);
        total += body.items.length;
        if (body.next === null) break;
        cursor = `&cursor=${encodeURIComponent(body.next)}`;
      }
      return total;
    };
    const before = {
      refused: await count('AKG200W'),
      denied: await count('AKG201W'),
      explained: await count('AKG202I'),
    };
    await stack.command('{');
    await stack.command({ command: 'kubectl get pods | cat' });
    await stack.command({ argv: ['kubectl', 'frobnicate'] });
    await stack.request('POST', '/v1/clusters/nope/commands', { body: PODS });
    await stack.command({ argv: ['kubectl', 'get', 'secrets', '-n', 'shop'] });
    await stack.explain(PODS);
    expect(await count('AKG200W')).toBe(before.refused + 4);
    expect(await count('AKG201W')).toBe(before.denied + 1);
    expect(await count('AKG202I')).toBe(before.explained + 1);
  });

  test('shows a caller its own events, and an auditor all; reading is an event itself', async () => {
    const own = await events('limit=1000', stack.tokens.bot);
    expect(own.status).toBe(200);
    expect(own.body.items.length).toBeGreaterThan(0);
    expect(own.body.items.filter((item) => (item.principal ?? item.whose?.principal)?.oid !== people.bot)).toEqual([]);
    const tid = stack.azure.entra.tenants[0];
    for (const name of [people.bot, `${tid}:${people.bot}`])
      expect((await events(`principal=${name}`, stack.tokens.bot)).body.items.length).toBeGreaterThan(0);
    const others = await events(`principal=${people.user}`, stack.tokens.bot);
    expect(others).toMatchObject({ status: 403 });
    const reads = await events('code=AKG401I&limit=1000');
    expect(reads.body.items.some(({ principal }) => principal?.oid === people.auditor)).toBe(true);
  });

  test('gives its checkpoints to auditors alone', async () => {
    expect((await stack.request('GET', '/v1/audit/checkpoints', { token: stack.tokens.auditor })).status).toBe(200);
    const denied = await stack.request('GET', '/v1/audit/checkpoints', { token: stack.tokens.bot });
    expect(denied).toMatchObject({
      status: 403,
      body: { code: 'policy-denied', role: null, rule: null, asked: 'get /v1/audit/checkpoints' },
    });
  });
});
