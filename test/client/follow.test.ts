import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { main } from '../../shared/client/main.ts';
import { createSeam } from '../../shared/client/follow/seam.ts';
import { createWatch } from '../../shared/client/follow/watch.ts';

const stamp = (ms: number): string => `${new Date(ms).toISOString().replace('Z', '')}000001Z`;

test('windows of a log strung together are the log: nothing is lost or doubled, whatever they overlap', () => {
  const lines = fc.array(fc.record({ gap: fc.nat(9_000), text: fc.constantFrom('a', 'b', '', 'a') }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(lines, fc.array(fc.nat(30), { maxLength: 10 }), (given, cuts) => {
      let at = Date.UTC(2026, 10, 28, 12);
      const log = given.map(({ gap, text }) => ({ at: (at += gap), line: `${stamp(at)} ${text}\n` }));
      const seam = createSeam({ timestamps: false });
      let shown = '';
      let written = 0;
      for (const more of [...cuts, log.length]) {
        written = Math.min(log.length, written + more);
        const from = seam.since === undefined ? 0 : Date.parse(seam.since);
        // The API server goes by whole seconds.
        shown += seam.take(
          log
            .slice(0, written)
            .filter((one) => one.at >= from)
            .map(({ line }) => line)
            .join(''),
        );
      }
      expect(shown).toBe(given.map(({ text }) => `${text}\n`).join(''));
    }),
  );
});

test('logs -f: looks, takes the end of a restarted container along, and Ctrl-C cancels the look', async () => {
  const T = (second: number): string => `2026-11-28T12:00:0${second}.5Z`;
  const [one, two, three, four] = [1, 2, 3, 4].map((n) => `${T(n)} line ${n}\n`);
  const step = (stdout: string, exitCode = 0) => ({
    id: 's',
    status: 'completed',
    exitCode,
    stdout,
    stderr: '',
    warnings: [],
    truncated: false,
  });
  const answers: (readonly object[] | undefined)[] = [
    [step(`${one}${two}`)],
    [step('', 1), step(`${two}${two}${three}`)], // the same line twice in a nanosecond is two lines
    [step(`${two}${two}${three}old end\n`), step(`${four}`)],
    undefined,
  ];
  const asked: string[][][] = [];
  const paths: string[] = [];
  const interrupt = new AbortController();
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.once('end', () => {
      paths.push(`${request.method} ${request.url}`);
      const answer = (value: object) =>
        response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
      if (request.url?.endsWith('/cancel')) return answer({});
      if (request.method === 'GET') return setImmediate(() => interrupt.abort(new Error('interrupted')));
      asked.push((JSON.parse(body) as { steps: { argv: string[] }[] }).steps.map(({ argv }) => argv));
      const items = answers.shift();
      return answer({ id: 'b1', status: items ? 'completed' : 'running', onError: 'continue', items: items ?? [] });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  let out = '';
  const code = await main(['kubectl', 'logs', '-f', 'web-0', '--tail=2', '-n', 'shop'], {
    env: {
      AKSGW_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      AKSGW_TOKEN: 't',
      AKSGW_CLUSTER: 'demo',
      AKSGW_HOME: '/nonexistent',
    },
    stdin: (async function* () {})(),
    stdout: { write: (chunk) => (out += Buffer.from(chunk as string).toString()) },
    stderr: { write: () => undefined },
    cwd: () => '/',
    signal: interrupt.signal,
    sleep: async () => undefined,
  });
  server.close();
  server.closeAllConnections();
  expect(code).toBe(130);
  expect(out).toBe('line 1\nline 2\nline 2\nline 3\nold end\nline 4\n');
  expect(asked.slice(0, 2)).toEqual([
    [['kubectl', 'logs', 'web-0', '--tail=2', '-n', 'shop', '--timestamps']],
    [
      ['kubectl', 'logs', 'web-0', '-n', 'shop', '--timestamps', '--previous', '--since-time=2026-11-28T11:59:52Z'],
      ['kubectl', 'logs', 'web-0', '-n', 'shop', '--timestamps', '--since-time=2026-11-28T11:59:52Z'],
    ],
  ]);
  expect(paths.at(-1)).toBe('POST /v1/batches/b1/cancel');
});

test('get -w: each version of each object is shown once, and rows are never taken for those of other versions', () => {
  const change = fc.record({ name: fc.constantFrom('a', 'b', 'c'), gone: fc.boolean(), during: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const state = new Map<string, number>();
      let version = 0;
      const seen: string[] = [];
      const shown: string[] = [];
      const watch = createWatch();
      const versions = () => [...state].map(([name, at]) => `shop   ${name}   ${at}\n`).join('');
      const rows = () => [...state].map(([name, at]) => `${name}@${at}\n`).join('');
      const apply = ({ name, gone }: { name: string; gone: boolean }) =>
        gone ? state.delete(name) : state.set(name, ++version);
      for (const one of changes) {
        if (!one.during) apply(one);
        const before = versions();
        if (one.during) apply(one);
        const looked = watch.take({ before, rows: rows(), after: versions() });
        if (looked === undefined) expect(before).not.toBe(versions());
        else {
          shown.push(...looked.split('\n').filter(Boolean));
          for (const [name, at] of state) if (!seen.includes(`${name}@${at}`)) seen.push(`${name}@${at}`);
        }
      }
      expect(shown.toSorted()).toEqual(seen.toSorted());
    }),
  );
});
