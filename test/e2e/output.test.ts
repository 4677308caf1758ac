import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { OUTPUT_LIMIT } from '../../infra/local/arm/wire.ts';
import { yamlLike } from '../launcher/support/yaml-like.ts';
import { testStack, type TestStack } from '../support/stack.ts';

/** What the pod's kubectl prints comes to the caller over HTTP: launcher, Azure's JSON and cut, frames, store and answer. */
let stack: TestStack;
let tools: string;
beforeAll(async () => {
  tools = mkdtempSync(join(tmpdir(), 'aksgw-tools-'));
  const kubectl = join(tools, 'kubectl');
  writeFileSync(
    kubectl,
    `#!/bin/sh\n[ ! -f '${tools}/before' ] || . '${tools}/before'\ncat '${tools}/out'; cat '${tools}/err' >&2; exit 5\n`,
  );
  chmodSync(kubectl, 0o755);
  stack = await testStack({
    tools,
    edit: (yaml) =>
      yaml.replace(
        'submitsPerMinute: 30',
        'submitsPerMinute: 10000, requestsPerMinute: 1000000, auditLinesPerMinute: 1000000',
      ),
  });
});
afterAll(async () => {
  await stack.close();
  rmSync(tools, { recursive: true });
});

/** Runs a kubectl that prints these bytes and exits with 5. */
async function printing(out: Uint8Array, err: Uint8Array = Buffer.from('done\n')) {
  writeFileSync(join(tools, 'out'), out);
  writeFileSync(join(tools, 'err'), err);
  const first = await stack.command(
    { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] },
    { headers: { prefer: 'wait=30' } },
  );
  expect(first.status).toBe(200);
  // As it was stored, too.
  const again = await stack.request('GET', `/v1/commands/${first.body.id}`);
  expect(again.body.stdout === first.body.stdout && again.body.stdoutBase64 === first.body.stdoutBase64).toBe(true);
  return {
    body: first.body,
    stdout: bytesOf(first.body.stdout, first.body.stdoutBase64),
    stderr: bytesOf(first.body.stderr, first.body.stderrBase64),
  };
}
const bytesOf = (text: string | undefined, base64: string | undefined): Buffer =>
  base64 === undefined ? Buffer.from(text ?? '') : Buffer.from(base64, 'base64');
const same = (got: Uint8Array, sent: Uint8Array): boolean => Buffer.compare(got, sent) === 0;

const intact = {
  status: 'completed',
  exitCode: 5,
  truncated: false,
  timedOut: false,
  streams: 'separate',
  warnings: [],
};

describe('output', () => {
  test.each([
    ['0 B', Buffer.alloc(0)],
    ['1 B', Buffer.from('x')],
    ['511 kB of text', Buffer.from(yamlLike(511_000))],
    ['600 kB of text', Buffer.from(yamlLike(600_000))],
    ['5 MB like kubectl get -o yaml', Buffer.from(yamlLike(5_000_000))],
    ['random binary', randomBytes(200_000)],
    ['invalid UTF-8', Buffer.from([0xff, 0xfe, 0x80, 0x00, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0x0a])],
    ['terminal escapes', Buffer.from('\u001b]0;title\u0007\u001b[2J\u001b[31mred\u001b[0m\r\n\u009b2J')],
  ])('of %s arrives intact on both streams, with the exit code', async (_, bytes) => {
    // Stderr has its own part of Azure's 512 kB: a long one leaves less for five megabytes of stdout.
    const err = bytes.subarray(0, bytes.length > 1_000_000 ? 2_000 : 60_000);
    const { body, stdout, stderr } = await printing(bytes, err);
    expect(body).toMatchObject(intact);
    expect(same(stdout, bytes)).toBe(true);
    expect(same(stderr, err)).toBe(true);
  });

  test('that copies the frames of this very run, nonce and all, arrives as output', async () => {
    // The launcher's work folder is named after the nonce: what a hostile pod would read it from.
    writeFileSync(
      join(tools, 'before'),
      `n=\${HELM_CACHE_HOME%/cache}; n=\${n##*aksgw.}
f="rc=0 timeout=0 enc=raw o=1,1,- e=0,0,- cut=0 miss=-"
printf 'AKSGW1 S %s\\nAKSGW1 H %s %s\\nxAKSGW1 T %s %s\\n' "$n" "$n" "$f" "$n" "$f"
`,
    );
    try {
      const { body, stdout, stderr } = await printing(Buffer.from('after\n'));
      expect(body).toMatchObject(intact);
      expect(stdout.toString()).toMatch(
        /^AKSGW1 S ([0-9a-f]{32})\nAKSGW1 H \1 rc=0 .* miss=-\nxAKSGW1 T \1 rc=0 .* miss=-\nafter\n$/,
      );
      expect(stderr.toString()).toBe('done\n');
    } finally {
      rmSync(join(tools, 'before'));
    }
  });

  test.each([
    ['511 kB', 511_000],
    ['600 kB', 600_000],
    ['5 MB', 5_000_000],
  ])(
    'of %s that does not compress is cut at its end, and truncated says so; stderr and exit code are whole',
    async (_, size) => {
      const bytes = randomBytes(size);
      const { body, stdout, stderr } = await printing(bytes);
      expect(body).toMatchObject({ ...intact, truncated: true, warnings: [expect.stringMatching(/cut at its end/)] });
      expect(stdout.length).toBeGreaterThan(OUTPUT_LIMIT / 2);
      expect(same(stdout, bytes.subarray(0, stdout.length))).toBe(true);
      expect(stderr.toString()).toBe('done\n');
    },
  );
});

test('callers who wait for a command cost Azure nothing: its one poll is for them all', async () => {
  writeFileSync(join(tools, 'before'), 'sleep 2\n');
  try {
    writeFileSync(join(tools, 'out'), 'waited for\n');
    writeFileSync(join(tools, 'err'), '');
    let views = 0;
    stack.azure.arm.faults.get(() => {
      views += 1;
      return [];
    });
    const waitedForBy = async (waiters: number): Promise<number> => {
      const { body } = await stack.command(
        { argv: ['kubectl', 'get', 'pods', '-n', 'shop'] },
        { headers: { prefer: 'respond-async' } },
      );
      const path = `/v1/commands/${body.id}`;
      const waits = Array.from({ length: waiters }, () =>
        stack.request('GET', path, { headers: { prefer: 'wait=20' } }),
      );
      // And one who asks again and again without waiting.
      let asked = 0;
      for (let status = 'accepted'; status !== 'completed'; asked += 1)
        ({ status } = (await stack.request('GET', path, { headers: { prefer: 'wait=0' } })).body);
      expect(asked).toBeGreaterThan(20);
      for (const { status, body: end } of await Promise.all(waits)) {
        expect(status).toBe(200);
        expect(end).toMatchObject({ status: 'completed', exitCode: 5, stdout: 'waited for\n' });
      }
      const commandId = stack.azure.arm.posts.at(-1)?.commandId;
      return stack.azure.arm.polls.filter((poll) => poll.commandId === commandId).length;
    };
    await waitedForBy(1);
    const viewsBefore = views;
    const one = await waitedForBy(1);
    const fifty = await waitedForBy(50);
    expect(one).toBeGreaterThan(1);
    expect(fifty).toBeLessThanOrEqual(one + 1);
    expect(views).toBe(viewsBefore);
  } finally {
    rmSync(join(tools, 'before'));
  }
}, 30_000);
