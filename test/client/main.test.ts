import { afterEach, describe, expect, test } from '@jest/globals';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { AnswerLost, GatewayProblem } from '../../shared/client/api/failures.ts';
import { createClient } from '../../shared/client/client.ts';
import { main } from '../../shared/client/main.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const home = temporaryFolder('home');

const BATCH = join(home, 'batch.yaml');
writeFileSync(BATCH, 'steps:\n- argv: [kubectl, get, pods]\n');

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A gateway that answers as the script says, one answer a request; the last goes on. */
async function gateway(...script: readonly Answer[]): Promise<{ url: string; requests: string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const answer = script[Math.min(requests.length, script.length - 1)];
    requests.push(`${request.method} ${request.url} ${request.headers['idempotency-key']?.toString() ?? ''}`.trim());
    request.resume().once('end', () => answer?.(request, response));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

const record = (changes: object): Answer =>
  json(200, 'application/json', {
    id: 'c1',
    status: 'completed',
    exitCode: 0,
    stdout: 'out\n',
    stderr: '',
    warnings: [],
    truncated: false,
    ...changes,
  });
const problem = (status: number, code: string, retryable: boolean, retryAfter?: string): Answer =>
  json(status, 'application/problem+json', { code, detail: `it is ${code}`, next: 'do this', retryable }, retryAfter);
const json =
  (status: number, type: string, body: object, retryAfter?: string): Answer =>
  (_request, response) => {
    response
      .writeHead(status, { 'content-type': type, ...(retryAfter !== undefined && { 'retry-after': retryAfter }) })
      .end(JSON.stringify(body));
  };
const reset: Answer = (request) => request.socket.destroy();
const html: Answer = (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
const brokenOff: Answer = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
  response.write('{"id":"c1"');
  setImmediate(() => response.destroy());
};
const endless: Answer = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  const more = (): void => {
    while (!response.destroyed && response.write(Buffer.alloc(1 << 20, ' ')));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
};
const elsewhere: Answer = (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end();

const client = (url: string) => createClient({ url, token: async () => 't', sleep: async () => undefined });
const run = (url: string) => client(url).run('demo', { argv: ['kubectl', 'get', 'pods'] }, { idempotencyKey: 'k' });

describe('the client', () => {
  test('sends again, under the same key, what was not answered', async () => {
    const { url, requests } = await gateway(reset, reset, record({}));
    expect(await run(url)).toMatchObject({ status: 'completed' });
    expect(requests).toEqual(Array.from({ length: 3 }, () => 'POST /v1/clusters/demo/commands "k"'));
  });

  test.each([
    ['an answer that breaks off', brokenOff],
    ['an answer that no gateway gives', html],
    ['another type than JSON', json(200, 'application/json-seq', { id: 'c1', status: 'completed' })],
    ['JSON that is not a record', json(200, 'application/json', { id: 1, status: 'completed' })],
    ['an exit code that is text', record({ exitCode: '0' })],
    ['an exit code that no process has', record({ exitCode: 1e300 })],
    ['what is not a problem', json(500, 'application/problem+json', { code: {} })],
    ['an answer without end', endless],
    ['connections that break', reset],
    ['a redirect', elsewhere],
  ])('says that nobody knows after %s, again and again', async (_what, answer) => {
    const { url, requests } = await gateway(answer);
    await expect(run(url)).rejects.toBeInstanceOf(AnswerLost);
    expect(new Set(requests)).toEqual(new Set(['POST /v1/clusters/demo/commands "k"']));
  });

  test('takes nothing else for jobs', async () => {
    const { url } = await gateway(record({}));
    await expect(client(url).listJobs()).rejects.toBeInstanceOf(AnswerLost);
    await expect(client(url).getJob('x')).rejects.toBeInstanceOf(AnswerLost);
  });

  test('does not take a later refusal as word on an earlier try that may have arrived', async () => {
    const { url } = await gateway(reset, problem(503, 'gateway-busy', true));
    await expect(run(url)).rejects.toBeInstanceOf(AnswerLost);
  });

  test('takes a first refusal at its word', async () => {
    const { url, requests } = await gateway(problem(403, 'policy-denied', false));
    await expect(run(url)).rejects.toBeInstanceOf(GatewayProblem);
    expect(requests.length).toBe(1);
  });

  describe('a refusal that says when to come again', () => {
    const offered = async (url: string, timeoutSeconds?: number) => {
      const slept: number[] = [];
      const ended = await createClient({
        url,
        token: async () => 't',
        sleep: async (ms) => void slept.push(ms / 1_000),
      })
        .run(
          'demo',
          { argv: ['kubectl', 'version'], ...(timeoutSeconds && { timeoutSeconds }) },
          { idempotencyKey: 'k' },
        )
        .catch((error: unknown) => error);
      return { slept, ended };
    };

    test('is waited for, and the same key sent again', async () => {
      const { url, requests } = await gateway(
        problem(503, 'gateway-busy', true, '40'),
        problem(429, 'rate-limited', true, '7'),
        record({}),
      );
      expect(await offered(url)).toMatchObject({ slept: [40, 7], ended: { status: 'completed' } });
      expect(new Set(requests)).toEqual(new Set(['POST /v1/clusters/demo/commands "k"']));
    });

    test.each([
      ['a minute', undefined, '25', [25, 25]],
      ["the command's time-out", 10, '3', [3, 3, 3]],
      ['more than it has patience for', 10, '11', []],
      ['a date, which no gateway sends', undefined, 'Fri, 27 Nov 2026 05:00:00 GMT', []],
      ['nothing', undefined, undefined, []],
    ])('is not waited for beyond %s', async (_what, timeoutSeconds, retryAfter, slept) => {
      const { url } = await gateway(problem(503, 'gateway-busy', true, retryAfter));
      const given = await offered(url, timeoutSeconds);
      expect(given.slept).toEqual(slept);
      expect(given.ended).toBeInstanceOf(GatewayProblem);
    });

    test('is taken at its word when it is for good', async () => {
      const { url } = await gateway(problem(403, 'policy-denied', false, '1'));
      expect((await offered(url)).slept).toEqual([]);
    });

    test('after a lost answer leaves open whether that one arrived', async () => {
      const { url } = await gateway(reset, problem(503, 'gateway-busy', true, '40'));
      expect((await offered(url)).ended).toBeInstanceOf(AnswerLost);
      const later = await gateway(reset, problem(503, 'gateway-busy', true, '40'), record({}));
      expect((await offered(later.url)).ended).toMatchObject({ status: 'completed' });
    });
  });

  test('waits through a gateway that is busy or restarting, and asks it with a pause', async () => {
    const { url, requests } = await gateway(
      record({ status: 'running', exitCode: null }),
      problem(503, 'gateway-busy', true),
      reset,
      record({ status: 'running', exitCode: null }),
      record({ exitCode: 7 }),
    );
    expect(await run(url)).toMatchObject({ exitCode: 7 });
    expect(requests.slice(1)).toEqual(Array.from({ length: 4 }, () => 'GET /v1/commands/c1'));
  });

  test("does not take another command's record for the end of its own", async () => {
    const { url } = await gateway(record({ status: 'running', exitCode: null }), record({ id: 'c2' }));
    await expect(run(url)).rejects.toBeInstanceOf(AnswerLost);
  });
});

describe('aksgw', () => {
  async function aksgw(
    argv: readonly string[],
    env: Record<string, string>,
    signal?: AbortSignal,
    onStderr?: () => void,
    sleep?: () => Promise<void>,
  ) {
    let [out, err] = ['', ''];
    const host = {
      env: { AKSGW_TOKEN: 't', AKSGW_CLUSTER: 'demo', AKSGW_HOME: home, ...env },
      stdin: (async function* () {})(),
      stdout: { write: (chunk: Uint8Array | string) => (out += Buffer.from(chunk as string).toString()) },
      stderr: {
        write(chunk: Uint8Array | string) {
          err += Buffer.from(chunk as string).toString();
          onStderr?.();
        },
      },
      cwd: () => import.meta.dirname,
      ...(signal && { signal }),
      ...(sleep && { sleep }),
    };
    return { code: await main(argv, host), out, err };
  }
  const GET = ['kubectl', 'get', 'pods'];

  test("ends with the command's own output and exit code", async () => {
    const { url } = await gateway(record({ exitCode: 3, stderr: 'oops\n', warnings: ['mind'] }));
    expect(await aksgw(GET, { AKSGW_URL: url })).toEqual({
      code: 3,
      out: 'out\n',
      err: 'aksgw: warning: mind\noops\n',
    });
  });

  test('gives the exact bytes of what is no UTF-8', async () => {
    const { url } = await gateway(record({ stdout: '?', stdoutBase64: Buffer.from('exact').toString('base64') }));
    expect((await aksgw(GET, { AKSGW_URL: url })).out).toBe('exact');
  });

  test.each([
    ['a denial', problem(403, 'policy-denied', false), 125, /policy-denied: it is policy-denied\n {7}do this/],
    [
      'a failed record',
      record({ status: 'failed', exitCode: null, failure: { code: 'x', message: 'no image' } }),
      125,
      /failed: no image/,
    ],
    [
      'an unknown record',
      record({ status: 'unknown', exitCode: null, failure: { code: 'x', message: 'lost' } }),
      126,
      /unknown: lost/,
    ],
  ])('tells %s from success', async (_what, answer, code, words) => {
    const { url } = await gateway(answer);
    const ended = await aksgw(GET, { AKSGW_URL: url });
    expect(ended.code).toBe(code);
    expect(ended.err).toMatch(words);
  });

  test.each<[string, Answer, number, RegExp, readonly string[]]>([
    ['output that was cut', record({ truncated: true }), 123, /not all of it/, []],
    ['output that was cut, where that is allowed', record({ truncated: true }), 0, /not all/, ['--allow-truncated']],
    ['cut output of what failed', record({ truncated: true, exitCode: 4 }), 4, /not all/, []],
    ['a time-out', record({ timedOut: true, exitCode: 124 }), 124, /timed out/, []],
    ['a time-out whose code was lost', record({ timedOut: true, exitCode: 0 }), 124, /timed out/, []],
    ['an answer without members', json(200, 'application/json', {}), 126, /not as a gateway does/, []],
    ['an exit code that no process has', record({ exitCode: 256 }), 126, /not as a gateway does/, []],
    ['an id that a terminal would obey', record({ id: '\u001b]52;c;eA==\u0007' }), 126, /not as a gateway does/, []],
    ['what is completed without an exit code', record({ exitCode: null }), 126, /^$/, []],
  ])('does not end with 0 for %s', async (_what, answer, code, words, options) => {
    const { url } = await gateway(answer);
    const ended = await aksgw([...options, ...GET], { AKSGW_URL: url }, undefined, undefined, async () => undefined);
    expect(ended.code).toBe(code);
    expect(ended.err).toMatch(words);
  });

  describe('a status that it does not know', () => {
    const waits = async () => undefined;
    const open = (status: string) => record({ status, exitCode: null, stdout: '' });

    test.each<[Answer, number]>([
      [record({}), 0],
      [record({ exitCode: 7 }), 7],
      [
        record({ status: 'failed', exitCode: null, failure: { code: 'approval-expired', message: 'nobody agreed' } }),
        125,
      ],
    ])('is no end: it is waited on until there is one, and named once', async (end, code) => {
      const script = [open('awaiting-approval'), open('awaiting-approval'), open('approved'), open('accepted')];
      const { url, requests } = await gateway(...script, end);
      const ended = await aksgw(GET, { AKSGW_URL: url }, undefined, undefined, waits);
      expect(ended.code).toBe(code);
      expect(ended.err.match(/^aksgw: c1 is .*$/gm)).toEqual([
        'aksgw: c1 is awaiting-approval, which is not its end: waiting on',
        'aksgw: c1 is approved, which is not its end: waiting on',
      ]);
      expect(requests.length).toBe(5);
    });

    test('of a batch or of a job’s run is none either, nor does result end with 0', async () => {
      const batch = (status: string, ...items: readonly object[]) =>
        json(200, 'application/json', { id: 'b1', status, onError: 'stop', items });
      const { url } = await gateway(batch('awaiting-approval'), batch('completed', { ...whole, exitCode: 9 }));
      expect(await aksgw(['batch', BATCH], { AKSGW_URL: url }, undefined, undefined, waits)).toMatchObject({ code: 9 });
      // What a batch calls completed one of its steps does not.
      const step = await gateway(batch('completed', { ...whole, status: 'awaiting-approval' }));
      expect((await aksgw(['batch', BATCH], { AKSGW_URL: step.url })).code).toBe(126);
      const now = await gateway(open('approved'));
      const told = await aksgw(['result', 'c1'], { AKSGW_URL: now.url, AKSGW_HOME: home, AKSGW_TOKEN: 't' });
      expect(told).toMatchObject({ code: 126, err: expect.stringContaining('c1 has not ended (approved)') });
    });

    test.each(['', 'Completed', 'completed ', 'done\u001b[2J', 'x'.repeat(41)])(
      'and that no gateway has (%j) is not understood',
      async (status) => {
        const { url } = await gateway(record({ status }));
        const ended = await aksgw(GET, { AKSGW_URL: url }, undefined, undefined, waits);
        expect(ended).toMatchObject({ code: 126, out: '', err: expect.stringContaining('not as a gateway does') });
      },
    );
  });

  const whole = { id: 's', status: 'completed', exitCode: 0, stdout: '', stderr: '', warnings: [], truncated: false };
  const batchOf = (...items: readonly object[]): object => ({ id: 'b1', status: 'completed', onError: 'stop', items });
  const { stdout: _, ...withoutOutput } = whole;
  test.each<[readonly string[], object]>([
    [GET, withoutOutput],
    [GET, { ...whole, truncated: undefined }],
    [['clusters'], {}],
    [['whoami'], {}],
    [['access'], {}],
    [['explain', ...GET], {}],
    [['explain', ...GET], { allowed: true, steps: [] }],
    [['ps'], { items: [{}] }],
    [['health'], { status: 'ok', parts: null, findings: [] }],
    [['jobs', 'show', 'x'], { name: 'x', runs: [] }],
    [['jobs', 'run', 'x'], batchOf()],
    [['batch', BATCH], batchOf({ ...whole, exitCode: 256 })],
    [['batch', BATCH], batchOf({ ...whole, stdout: 5 })],
    [['batch', BATCH], batchOf()],
    [['batch', BATCH], whole],
  ])('ends with 126 when aksgw %j is answered with %j', async (argv, answer) => {
    const { url } = await gateway(json(200, 'application/json', answer));
    const ended = await aksgw(argv, { AKSGW_URL: url }, undefined, undefined, async () => undefined);
    expect(ended).toMatchObject({ code: 126, out: '', err: expect.stringContaining('stands before') });
  });

  test('-o json is JSON that no terminal obeys, and reads back as it was', async () => {
    const stdout = 'a\u009b31m\u202e\u007f\u00ad\u2028\u{e0041}\\';
    const { url } = await gateway(record({ stdout }));
    const { out } = await aksgw(['-o', 'json', ...GET], { AKSGW_URL: url });
    expect(out).not.toMatch(/[\u007f-\u009f\p{Cf}\p{Zl}]/u);
    expect(JSON.parse(out)).toMatchObject({ stdout });
  });

  test('refuses a key that no header can carry, and sends nothing', async () => {
    const { url, requests } = await gateway(record({}));
    expect((await aksgw(['jobs', 'run', 'x', '--key', 'ключ'], { AKSGW_URL: url })).code).toBe(2);
    expect(requests).toEqual([]);
  });

  test('tells what a file of steps lacks, and that there is nothing to explain', async () => {
    const calledWrongly = async (argv: readonly string[]) => {
      const { code, err } = await aksgw(argv, { AKSGW_URL: 'http://127.0.0.1:1', AKSGW_CLUSTER: 'demo' });
      return [code, err.trimEnd()];
    };
    const file = join(home, 'wrong.yaml');
    for (const text of ['steps: 5', 'steps: [null]', '- a', '']) {
      writeFileSync(file, text);
      expect(await calledWrongly(['batch', file])).toEqual([2, expect.stringContaining(`${file}: has no steps`)]);
    }
    writeFileSync(file, 'steps: [');
    expect(await calledWrongly(['batch', file])).toEqual([
      2,
      expect.stringMatching(/^aksgw: \S+wrong\.yaml: Flow sequence[^\n]+$/),
    ]);
    expect(await calledWrongly(['explain'])).toEqual([2, 'aksgw: explain what? aksgw explain kubectl|helm …']);
  });

  test('names address and cause of what it cannot reach, within seconds', async () => {
    const began = performance.now();
    const refused = await aksgw(GET, { AKSGW_URL: 'http://127.0.0.1:1' });
    expect(refused).toMatchObject({
      code: 125,
      err: expect.stringMatching(/http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED.*\n +nothing was sent; /),
    });
    const unknown = await aksgw(GET, { AKSGW_URL: 'https://gateway.invalid' });
    expect(unknown).toMatchObject({
      code: 125,
      err: expect.stringMatching(/gateway\.invalid: .*(?:ENOTFOUND|EAI_AGAIN)/),
    });
    // 5 s for each on a quiet machine.
    expect(performance.now() - began).toBeLessThan(30_000);
  });

  test('shows a terminal nothing that it would obey, and a pipe the bytes', async () => {
    const evil = '\u001b]0;x\u0007 \u200e \u061c \u2028 \u202e';
    const { url } = await gateway(record({ stdout: evil, warnings: [evil], id: 'c1' }));
    const piped = await aksgw(GET, { AKSGW_URL: url });
    expect(piped.out).toBe(evil);
    expect(piped.err).toBe('aksgw: warning: \\x1b]0;x\\x07 \\u200e \\u061c \\u2028 \\u202e\n');
  });

  test('says what it waits for, and Ctrl-C ends the wait', async () => {
    const interrupt = new AbortController();
    const { url } = await gateway(problem(503, 'gateway-busy', true, '50'));
    const ended = await aksgw(GET, { AKSGW_URL: url }, interrupt.signal, () =>
      setImmediate(() => interrupt.abort(new Error('interrupted'))),
    );
    expect(ended.code).toBe(130);
    expect(ended.err).toContain('Sending it again in 50 s.');
  });

  test('ends with 130 at Ctrl-C, and says that nothing was cancelled', async () => {
    const interrupt = new AbortController();
    const { url } = await gateway(record({ status: 'running', exitCode: null }), () =>
      interrupt.abort(new Error('interrupted')),
    );
    const ended = await aksgw(GET, { AKSGW_URL: url }, interrupt.signal);
    expect(ended.code).toBe(130);
    expect(ended.err).toContain('it goes on: aksgw wait c1');
  });

  test('runs a job under one key, follows its batch, and ends with the first code that is not 0', async () => {
    const step = { id: 's', exitCode: 0, status: 'completed', stdout: '', stderr: '', warnings: [], truncated: false };
    const batch = (status: string, items: readonly object[]): Answer =>
      json(200, 'application/json', { id: 'b1', status, onError: 'stop', items });
    const failed = {
      ...step,
      status: 'failed',
      exitCode: null,
      failure: { code: 'not-reached', message: 'not reached' },
    };
    const { url, requests } = await gateway(
      reset,
      batch('running', []),
      batch('completed', [{ ...step, stdout: 'one\n' }, { ...step, exitCode: 4 }, failed]),
    );
    const ended = await aksgw(['jobs', 'run', 'night ly', 'ns=a=b', '--key', 'slot', '--reason', 'r'], {
      AKSGW_URL: url,
    });
    expect(ended).toEqual({ code: 4, out: 'one\n', err: 'aksgw: failed: not reached (command s)\n' });
    expect(requests).toEqual([
      'POST /v1/jobs/night%20ly/run "slot"',
      'POST /v1/jobs/night%20ly/run "slot"',
      'GET /v1/batches/b1',
    ]);
  });

  test.each([
    [GET, { AKSGW_URL: '127.0.0.1:7071' }, /not an address/],
    [GET, {}, /which gateway/],
    [GET, { AKSGW_URL: 'http://127.0.0.1:1', AKSGW_CLUSTER: '' }, /which cluster/],
    [['bash'], {}, /there is no "bash"/],
    [['--timeout', 'x', ...GET], {}, /number of seconds/],
    [['audit', 'verify', '--bogus'], {}, /bogus/],
    [['jobs'], {}, /list, show and run/],
    [['jobs', 'suspend', 'x'], {}, /not "suspend"/],
    [['jobs', 'list', 'x'], {}, /takes no "x"/],
    [['jobs', 'show'], {}, /which job/],
    [['jobs', 'show', 'x', '--key', 'k'], {}, /takes no --key/],
    [['jobs', 'run', 'x', '--json'], {}, /takes no --json/],
    [['jobs', 'run', 'x', 'shop'], {}, /not OPTION=VALUE/],
    [['jobs', 'run', 'x', 'a=1', 'a=2'], {}, /given twice/],
    [['jobs', 'run', 'x', '--bogus'], {}, /bogus/],
    [['--timeout', '5', 'jobs', 'run', 'x'], {}, /its own time limit/],
    [['jobs', 'list'], {}, /which gateway/],
  ])('%j with %j is wrong usage', async (argv, env, words) => {
    const ended = await aksgw(argv, env);
    expect(ended.code).toBe(2);
    expect(ended.err).toMatch(words);
  });

  test.each([['--help'], ['-h'], ['audit', '--help'], ['policy', '--help'], ['doctor', '--help'], ['jobs', '--help']])(
    '%s %s helps',
    async (...argv) => {
      expect((await aksgw(argv, {})).code).toBe(0);
    },
  );
});
