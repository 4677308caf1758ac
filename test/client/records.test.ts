import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../shared/client/main.ts';
import { testStack, type TestStack } from '../support/stack.ts';
import { slowKubectl } from '../support/slow-kubectl.ts';

let stack: TestStack;
let tools: string;
const folder = mkdtempSync(join(tmpdir(), 'aksgw-records-'));
beforeAll(async () => {
  tools = await slowKubectl();
  stack = await testStack({ tools, edit: (yaml) => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 400') });
});
afterAll(async () => {
  await stack.close();
  for (const path of [folder, tools]) rmSync(path, { recursive: true, force: true });
});

async function aksgw(
  argv: readonly string[],
  stdin = '',
  watched?: (err: string, interrupt: AbortController) => void,
  onOut?: (out: string, interrupt: AbortController) => void,
) {
  const interrupt = new AbortController();
  let [out, err] = ['', ''];
  const code = await main(argv, {
    env: {
      AKSGW_HOME: join(folder, 'home'),
      AKSGW_URL: stack.url,
      AKSGW_CLUSTER: 'demo',
      AKSGW_TOKEN: stack.tokens.user,
      TERM: 'screen',
    },
    stdin: (async function* () {
      yield stdin;
    })(),
    stdout: {
      write(chunk) {
        out += Buffer.from(chunk as string).toString();
        onOut?.(out, interrupt);
      },
    },
    stderr: {
      write(chunk) {
        err += Buffer.from(chunk as string).toString();
        watched?.(err, interrupt);
      },
      ...(watched && { isTTY: true }),
    },
    cwd: () => folder,
    signal: interrupt.signal,
  });
  return { code, out, err };
}
const idIn = (text: string): string => /aksgw wait (\S+)/.exec(text)?.[1] ?? '';
const MANIFEST =
  'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: from-records, namespace: shop }\ndata: { a: "1" }\n';

describe('a command that was left', () => {
  let id = '';
  test('goes on under its id; ps, result and cancel know it, and so does wait', async () => {
    const left = await aksgw(['kubectl', 'get', 'deployment', 'slow', '-n', 'shop'], '', (err, interrupt) => {
      if (err.includes('is running in its pod')) interrupt.abort(new Error('interrupted'));
    });
    expect(left.code).toBe(130);
    id = idIn(left.err);
    expect((await aksgw(['ps'])).out).toMatch(new RegExp(`^${id} +demo +running .*deployment slow`, 'm'));
    expect(await aksgw(['result', id])).toMatchObject({ code: 126, err: expect.stringContaining('aksgw wait') });
    expect(await aksgw(['cancel', id])).toMatchObject({ code: 0 });
    const ended = await aksgw(['wait', id]);
    expect(ended).toMatchObject({ code: 143, out: 'begun\n' });
    expect(await aksgw(['result', id])).toEqual(ended);
    expect((await aksgw(['cancel', id])).code).toBe(0); // it was cancelled already
  }, 60_000);

  test.each(['wait', 'result', 'cancel', 'rerun'])(
    '%s of what is not there is 125, and of what is no id wrong usage',
    async (verb) => {
      expect((await aksgw([verb, 'nope-nope-nope'])).code).toBe(125);
      expect((await aksgw([verb])).code).toBe(2);
      if (verb !== 'rerun') expect((await aksgw([verb, '\u001b]52;c;eA==\u0007'])).code).toBe(2);
    },
  );
});

describe('aksgw rerun', () => {
  const apply = async (file: string) => {
    await aksgw(['kubectl', 'apply', '-f', file]);
    const { out } = await aksgw(['-o', 'json', 'ps']);
    return (JSON.parse(out) as { id: string }[])[0]?.id ?? '';
  };

  test('sends the same again while its files are the same; refuses by name what is gone or changed', async () => {
    const file = join(folder, 'app.yaml');
    writeFileSync(file, MANIFEST);
    const id = await apply('app.yaml');
    expect(await aksgw(['rerun', id])).toMatchObject({ code: 0, out: expect.stringContaining('from-records') });
    writeFileSync(file, MANIFEST.replace('"1"', '"2"'));
    expect(await aksgw(['rerun', id])).toMatchObject({
      code: 125,
      err: expect.stringContaining('app.yaml has changed'),
    });
    rmSync(file);
    expect(await aksgw(['rerun', id])).toMatchObject({ code: 125, err: expect.stringContaining('app.yaml') });
  }, 60_000);

  test('keeps neither standard input nor words with a secret', async () => {
    await aksgw(['kubectl', 'apply', '-f', '-'], MANIFEST);
    const secret = ['create', 'secret', 'generic', 'x', '-n', 'shop', '--from-literal=password=hunter2'];
    const sent = await aksgw(['kubectl', ...secret, '--dry-run=client']);
    const history = readFileSync(join(folder, 'home/history.jsonl'), 'utf8');
    expect(history).not.toContain('hunter2');
    const lines = history.split('\n').filter((line) => line !== '');
    const noted = lines.map((line) => JSON.parse(line) as { id: string; argv?: unknown; stdin: boolean });
    const [last, before] = noted.toReversed();
    if (sent.code !== 125) expect(last?.argv).toBeUndefined();
    const piped = last?.stdin ? last : before;
    expect(await aksgw(['rerun', piped?.id ?? ''])).toMatchObject({
      code: 125,
      err: expect.stringContaining('standard input'),
    });
  }, 60_000);
});

test('-o json is the record; explain, access, clusters and batch answer', async () => {
  const record = await aksgw(['-o', 'json', 'kubectl', 'get', 'pods', '-n', 'shop', '-o', 'name']);
  expect(record.code).toBe(0);
  expect(JSON.parse(record.out)).toMatchObject({
    status: 'completed',
    exitCode: 0,
    argv: expect.arrayContaining(['pods']),
  });
  expect(await aksgw(['explain', 'kubectl', 'get', 'pods', '-n', 'shop'])).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^allow: [^]*would run: /),
  });
  expect((await aksgw(['explain', 'kubectl', 'get', 'pods', '-n', 'kube-system'])).code).toBe(1);
  expect((await aksgw(['access'])).out).toMatch(/^EFFECT +VERBS/);
  expect((await aksgw(['clusters'])).out).toMatch(/demo/);
  mkdirSync(join(folder, 'k8s'), { recursive: true });
  writeFileSync(join(folder, 'k8s/app.yaml'), MANIFEST);
  writeFileSync(
    join(folder, 'batch.yaml'),
    `steps:
- argv: [kubectl, apply, -f, ${folder}/k8s/app.yaml]
- { argv: [kubectl, apply, -f, '-'], stdin: ${JSON.stringify(MANIFEST.replace('from-records', 'from-stdin'))} }
- argv: [kubectl, apply, -f, ./own.yaml]
  files: [{ path: own.yaml, content: ${JSON.stringify(MANIFEST.replace('from-records', 'from-own'))} }]
- argv: [kubectl, get, pods, -n, shop, -o, name]
`,
  );
  const batch = await aksgw(['batch', 'batch.yaml']);
  expect(batch).toMatchObject({
    code: 0,
    out: expect.stringMatching(/from-records[^]*from-stdin[^]*from-own[^]*pod\/web-/),
  });
  writeFileSync(join(folder, 'batch.yaml'), "steps: [{ argv: [kubectl, apply, -f, '-'] }]");
  expect(await aksgw(['batch', 'batch.yaml'])).toMatchObject({ code: 2, err: expect.stringContaining('step 0 reads') });
}, 60_000);

test('get -w shows a row when its object changes, and Ctrl-C ends it at once', async () => {
  let changing: Promise<unknown> | undefined;
  const seen = await aksgw(['kubectl', 'get', 'deployments', '-n', 'shop', '-w'], '', undefined, (out, interrupt) => {
    const rows = out.split('\n').filter((row) => row.startsWith('web ')).length;
    if (rows === 1) changing ??= aksgw(['kubectl', 'scale', 'deployment', 'web', '-n', 'shop', '--replicas=4']);
    if (rows > 1) interrupt.abort(new Error('interrupted'));
  });
  await changing;
  expect(seen.code).toBe(130);
  expect(seen.out).toMatch(/^NAME +READY/);
  expect(seen.out.match(/^NAME/gm)).toHaveLength(1);
  expect(seen.out).toMatch(/^web .*\/4 /m);
}, 60_000);
