import { describe, expect, test } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const sources = globSync('{shared,functions}/**/*.ts', { cwd: root }).map((file) => ({
  file,
  text: readFileSync(join(root, file), 'utf8'),
}));

/** Each small job, its one home, and what gives away a second one. Other files that may hold it say why. */
const jobs: readonly {
  readonly job: string;
  readonly home: string;
  readonly sign: RegExp;
  readonly also?: string[];
}[] = [
  {
    job: 'waiting for an abort',
    home: 'shared/lib/abort.ts',
    sign: /addEventListener\(\s*'abort'/,
    also: ['shared/clock.ts'], // its sleep, on which lib/abort.ts stands
  },
  {
    job: 'a bounded fetch without redirects',
    home: 'shared/lib/bounded-fetch.ts',
    sign: /redirect: 'error'/,
    also: ['shared/client/api/request.ts'], // the client's own, whose answers are as large as a command's output
  },
  { job: 'reading a body in pieces', home: 'shared/lib/bounded-fetch.ts', sign: /for await \(const \w+ of \w+\.body/ },
  {
    job: 'canonical JSON',
    home: 'shared/lib/canonical-json.ts',
    sign: /function canonical(?:Json|Object)|Object\.\w+\([^()]*\)\s*\.sort/,
  },
  {
    job: 'strict JSON',
    home: 'shared/lib/strict-json.ts',
    sign: /checkKeys|Object\.hasOwn\(members, key\)/,
    also: [
      'shared/command/json.ts', // Kubernetes' JSON: several documents, 64-bit integers, YAML beside it
    ],
  },
  { job: 'strict UTF-8', home: 'shared/lib/utf8.ts', sign: /fatal: true/ },
  { job: 'a cache of the least recently used', home: 'npm toad-cache', sign: /\[oldest\]|keys\(\)\.next\(\)/ },
  { job: 'text made safe to show', home: 'shared/lib/safe-text.ts', sign: /\\u2066|\\p\{Cc\}\\p\{Cf\}\\p\{Zl\}/ },
  { job: 'redaction', home: 'shared/lib/redact.ts', sign: /'\[redacted\]'|passwd?\|/ },
  { job: 'turns between owners', home: 'shared/lib/fair-queue.ts', sign: /function create\w*(?:Queue|Line)\b/ },
  {
    job: 'what a relative path is',
    home: 'shared/command/paths.ts',
    sign: /=== '\.\.'|function canonicalPath/,
    also: ['shared/client/uploads/folder.ts'], // paths of the caller's own machine, before they are sent
  },
];

describe('each small job has one home', () => {
  test.each(jobs)('$job: $home', ({ home, sign, also = [] }) => {
    const found = sources.filter(({ text }) => sign.test(withoutComments(text))).map(({ file }) => file);
    const expected = home.startsWith('npm ') ? [] : [home];
    expect(found.filter((file) => !also.includes(file))).toEqual(expected);
    expect(also.filter((file) => !found.includes(file))).toEqual([]);
  });
});

const withoutComments = (text: string): string => text.replaceAll(/\/\*[^]*?\*\/|(?<!:)\/\/ .*/g, '');
