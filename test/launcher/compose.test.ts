import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';

import { compose } from '../../shared/command/launcher/compose.ts';
import { contextLimits } from '../../shared/command/launcher/context-zip.ts';
import { cksum } from '../../shared/command/launcher/digest.ts';
import { unzip } from './support/pod.ts';

const NONCE = '0123456789abcdef0123456789abcdef';
const bytes = (text: string): Uint8Array => Buffer.from(text);
const launch = (sent: {
  words?: string[];
  files?: { path: string; bytes: Uint8Array }[];
  secret?: boolean;
  stdin?: Uint8Array;
}) =>
  compose({
    sent: { words: ['kubectl', 'version'], files: [], secret: false, ...sent },
    nonce: NONCE,
    timeoutSeconds: 300,
  });

describe('the text', () => {
  test('is one line, holds the quoted words, and no context goes with it', async () => {
    const { text, context } = await launch({ words: ['kubectl', 'get', "it's"] });
    expect(text).toMatch(/^: [0-9a-f]{16}; set -- 'kubectl' 'get' 'it'\\''s'; /);
    expect(text).not.toContain('\n');
    expect(context).toBeUndefined();
  });

  test('holds no frame line, nor the nonce in one piece', async () => {
    const { text } = await launch({});
    expect(text).not.toContain(NONCE);
    expect(text).not.toMatch(/AKSGW1 [SHT] [0-9a-f]{32}/);
  });

  test('property: holds nothing that Kubernetes expands in the args of a container', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: fc.constantFrom('$', '(', ')', 'A', "'", '\\', ' ') })),
        async (words) => {
          const { text } = await launch({ words: ['kubectl', ...words] });
          expect(text).not.toMatch(/\$[($]/);
        },
      ),
    );
  });

  test.each([
    ['a secret', { secret: true }],
    ['a newline', { words: ['kubectl', 'a\nb'] }],
    ['more than 64 KiB', { words: ['kubectl', 'x'.repeat(65_000)] }],
  ])('leaves %s to the context', async (_, sent) => {
    const { text, context } = await launch(sent);
    expect(text).toMatch(/^: [0-9a-f]{16}; \. \.\/\.aksgw\/run$/);
    const entries = await unzip(context ?? new Uint8Array());
    expect(entries.map(({ path }) => path)).toEqual(['.aksgw/', '.aksgw/run']);
    expect(entries[1]?.bytes.toString()).toMatch(/^set -- 'kubectl'/);
  });

  test.each([
    ['one word', { words: ['kubectl', 'x'.repeat(131_071)] }],
    ['all words together', { words: ['kubectl', ...Array.from({ length: 11 }, () => 'x'.repeat(100_000))] }],
  ])('refuses what no program could be started with: %s', async (_, sent) => {
    await expect(launch(sent)).rejects.toMatchObject({ code: 'payload-too-large' });
  });
});

describe('the context', () => {
  test('has Unix modes, its folders, and the same bytes for the same files', async () => {
    const files = [
      { path: 'chart/templates/web.yaml', bytes: bytes('{}') },
      { path: 'chart/.helmignore', bytes: bytes('*.md') },
    ];
    const { context } = await launch({ files, stdin: bytes('in') });
    const entries = await unzip(context ?? new Uint8Array());
    expect(entries.map(({ path, mode, bytes: content }) => [path, mode.toString(8), content.toString()])).toEqual([
      ['.aksgw/', '40755', ''],
      ['chart/', '40755', ''],
      ['chart/templates/', '40755', ''],
      ['.aksgw/stdin', '100644', 'in'],
      ['chart/templates/web.yaml', '100644', '{}'],
      ['chart/.helmignore', '100644', '*.md'],
    ]);
    expect((await launch({ files, stdin: bytes('in') })).context).toEqual(context);
  });

  test.each([
    '/etc/passwd',
    '../up',
    'a/../../b',
    'a//b',
    './a',
    'a/',
    '',
    'a\\b',
    'C:x',
    'a\nb',
    'a\u0000b',
    '.aksgw/run',
    '.AKSGW/run',
    'x'.repeat(256),
    `${'ä'.repeat(128)}.yaml`,
    'a/'.repeat(300) + 'b',
    'ab:c.yaml',
    'e\u0301.yaml',
    '.ak\u017fgw/run',
    'a\ud800',
    'a\u202eb',
  ])('refuses the path %j', async (path) => {
    await expect(launch({ files: [{ path, bytes: bytes('') }] })).rejects.toMatchObject({ code: 'request-invalid' });
  });

  test.each([
    [['a', 'a']],
    [['Chart.yaml', 'chart.yaml']],
    [['a/b', 'A/c']],
    [['s.yaml', '\u017f.yaml']],
    [['k.yaml', '\u212a.yaml']],
    [['a', 'a/b']],
    [['a/b', 'a']],
    [['\u00e9', 'e\u0301']],
  ])('refuses names that collide: %j', async (paths) => {
    const files = paths.map((path) => ({ path, bytes: bytes('') }));
    await expect(launch({ files })).rejects.toMatchObject({ code: 'request-invalid' });
  });

  test.each([
    [
      'too many files',
      Array.from({ length: contextLimits.files + 1 }, (_, index) => ({ path: `f${index}`, bytes: bytes('') })),
    ],
    ['too many bytes', [{ path: 'zeros', bytes: new Uint8Array(contextLimits.bytes + 1) }]],
    ['too many bytes when compressed', [{ path: 'noise', bytes: noise(contextLimits.zipBytes + 1) }]],
  ])('refuses %s', async (_, files) => {
    await expect(launch({ files })).rejects.toMatchObject({ code: 'payload-too-large' });
  });
});

test('cksum is what POSIX says (values of GNU cksum)', () => {
  expect(cksum(bytes(''))).toBe(4294967295);
  expect(cksum(bytes('123456789'))).toBe(930766865);
});

/** Bytes that do not compress, the same each time. */
function noise(length: number): Uint8Array {
  const out = new Uint8Array(length);
  let state = 1;
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[index] = state >>> 24;
  }
  return out;
}
