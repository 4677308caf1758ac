import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';

import { createUploads } from '../../shared/command/files.ts';
import { zipContext } from '../../shared/command/launcher/context-zip.ts';
import { describeWith } from '../support/programs.ts';

/**
 * What the gateway packs, others unpack: nobody knows which program AKS uses. Each set of files that is accepted comes out whole, by
 * name and content. `AKSGW_GO=1` asks Go as well, which takes a while to build.
 */
const SEED = 15;
interface File {
  readonly path: string;
  readonly bytes: Uint8Array;
}

const name = fc.oneof(
  fc.string({
    unit: fc.constantFrom('a', 'B', '.', '_', ' ', '-', '~', '%', '#', '(', "'", '"', '*', '?', '$', '&'),
    minLength: 1,
    maxLength: 8,
  }),
  fc.string({
    unit: fc.constantFrom('é', 'ß', '日', '😀', 'ı', 'Σ', 'ς', 'ſ', 'K', 'e\u0301', 'Å', 'ﬁ'),
    minLength: 1,
    maxLength: 4,
  }),
  fc.constantFrom(
    '..',
    '.',
    '',
    'CON',
    'nul.txt',
    'a:b',
    'a\\b',
    'x'.repeat(255),
    'ä'.repeat(127),
    'ä'.repeat(128),
    'x'.repeat(256),
    'a\n',
    '\u202e',
  ),
);
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
const sets = fc.array(fc.record({ path, bytes: fc.uint8Array({ maxLength: 50 }) }), { minLength: 1, maxLength: 6 });

let folder: string;
const accepted: File[][] = [];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'unpack-'));
  for (const files of fc.sample(sets, { numRuns: 600, seed: SEED })) {
    // One by one, so that a set is what is left of it.
    const good: File[] = [];
    for (const file of files) {
      try {
        createUploads([...good, file]);
      } catch {
        continue;
      }
      good.push({ path: createUploads([file]).find(file.path).path, bytes: file.bytes });
    }
    if (good.length === 0) continue;
    // What explain accepts can be sent: the two share one rule.
    const zip = await zipContext(good, [{ path: '.aksgw/run', bytes: Buffer.from('exit') }]);
    writeFileSync(join(folder, `${accepted.length}.zip`), zip);
    accepted.push(good);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function filesBelow(root: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const full = join(entry.parentPath, entry.name);
    found.set(relative(root, full), readFileSync(full).toString('hex'));
  }
  return found;
}

function expectUnpacked(into: string): void {
  expect(accepted.length).toBeGreaterThan(200);
  for (const [index, files] of accepted.entries()) {
    const expected = new Map(files.map(({ path: where, bytes }) => [where, Buffer.from(bytes).toString('hex')]));
    expected.set('.aksgw/run', Buffer.from('exit').toString('hex'));
    expect(filesBelow(join(into, String(index)))).toEqual(expected);
  }
}

describe('what is accepted can be unpacked', () => {
  describeWith(['python3'], "by Python's zipfile", () => {
    test('each set, by name and content', () => {
      const program = `
import sys, zipfile
for n in range(int(sys.argv[2])):
    z = zipfile.ZipFile(f"{sys.argv[1]}/{n}.zip")
    assert z.testzip() is None
    z.extractall(f"{sys.argv[1]}/python/{n}")
`;
      execFileSync('python3', ['-X', 'utf8', '-c', program, folder, String(accepted.length)]);
      expectUnpacked(join(folder, 'python'));
    });
  });

  describeWith(['unzip', 'sh'], 'by unzip', () => {
    test('each set, by name and content', () => {
      mkdirSync(join(folder, 'unzip'));
      execFileSync(
        'sh',
        [
          '-ec',
          'n=0; while [ $n -lt "$2" ]; do unzip -qq -o "$1/$n.zip" -d "$1/unzip/$n"; n=`expr $n + 1`; done',
          'sh',
          folder,
          String(accepted.length),
        ],
        { env: { ...process.env, LC_ALL: 'C.UTF-8' } },
      );
      expectUnpacked(join(folder, 'unzip'));
    });
  });

  const go = process.env['AKSGW_GO'] === undefined ? [] : ['go'];
  if (go.length === 0)
    describe.skip('by Go (skipped: AKSGW_GO is not set)', () => {
      test('each set, by name and content', () => undefined);
    });
  else
    describeWith(go, 'by Go', () => {
      test('each set, by name and content', () => {
        const source = `package main
import ("archive/zip"; "io"; "os"; "path/filepath"; "fmt"; "strings")
func main() { for n := 0; ; n++ { z, e := zip.OpenReader(fmt.Sprintf("%s/%d.zip", os.Args[1], n)); if e != nil { break }
 for _, f := range z.File { p := filepath.Join(os.Args[1], "go", fmt.Sprint(n), f.Name)
  if !filepath.IsLocal(f.Name) { panic(f.Name) }
  if strings.HasSuffix(f.Name, "/") { os.MkdirAll(p, 0o755); continue }
  r, e := f.Open(); if e != nil { panic(e) }; os.MkdirAll(filepath.Dir(p), 0o755)
  w, e := os.OpenFile(p, os.O_CREATE|os.O_EXCL|os.O_WRONLY, f.Mode()); if e != nil { panic(e) }
  if _, e = io.Copy(w, r); e != nil { panic(e) }; w.Close() } } }
`;
        const program = join(folder, 'main.go');
        writeFileSync(program, source);
        execFileSync('go', ['run', program, folder], {
          env: { ...process.env, GOFLAGS: '-mod=mod', GO111MODULE: 'off' },
        });
        expectUnpacked(join(folder, 'go'));
      }, 120_000);
    });
});
