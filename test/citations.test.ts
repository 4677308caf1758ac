import { describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const files = globSync('{functions,shared,infra,test,.github}/**/*.{ts,md,cjs,sh,tf,kql,yaml}', {
  cwd: root,
  exclude: (name) => name.includes('node_modules'),
})
  .concat('README.md')
  .filter((file) => file !== 'test/citations.test.ts');

/** Documents that were never in the repository, by the words that used to cite them. */
const foreign =
  /\bDESIGN\b|\bspec\/[a-z-]+\.md\b|\bfacts\/[a-z-]+|[( ]facts:? [a-zR]|\([Ss]pec\b[,)" ]|\b[Ss]pec "|\(attacks? \d|\battacks, \d/;
/** `room/file.ts`, `README.md`: what a comment or a document sends its reader to. */
/** `kubectl-VERSION.json` names many files. */
const isPattern = (path: string): boolean =>
  /[A-Z]{4,}/.test(path.replace(/README|CHANGELOG|CONTRIBUTING|SECURITY/, ''));
const cited = /(?<![\w./:@-])((?:[\w.-]+\/)*[\w.-]+\.(?:ts|md|json|yaml|sh|kql|cjs|tf))\b(?![\w/])/g;

/** Paths of other projects, and of callers' own files. */
const elsewhere = new Set([
  'community/contributors/devel/sig-api-machinery/strategic-merge-patch.md',
  'helm/web/Chart.yaml',
  'k8s/app.yaml',
  './k8s/./app.yaml',
  'x/../k8s/app.yaml',
  'aud.blob.core.windows.net/configuration/gateway.yaml',
]);

const commentsOf = (file: string, text: string): string =>
  file.endsWith('.md') ? text : (text.match(/\/\*[^]*?\*\/|(?<=^|\s)\/\/ .*$/gm) ?? []).join('\n');

describe('what comments and documents cite', () => {
  test('is never a document that is not in the repository', () => {
    const dangling = files.flatMap((file) => {
      const lines = commentsOf(file, readFileSync(join(root, file), 'utf8')).split('\n');
      return lines.filter((line) => foreign.test(line)).map((line) => `${file}: ${line.trim()}`);
    });
    expect(dangling).toEqual([]);
  });

  test('is a file that exists, from its own folder, its room, shared/ or the root', () => {
    const known = new Set(execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).split('\n'));
    const dangling = files.flatMap((file) => {
      const places = [dirname(file), file.split('/').slice(0, 2).join('/'), 'shared', 'test', 'infra', ''];
      return [...commentsOf(file, readFileSync(join(root, file), 'utf8')).matchAll(cited)]
        .map((match) => match[1] ?? '')
        .filter((path) => path.includes('/') && !elsewhere.has(path) && !isPattern(path))
        .filter((path) => !places.some((place) => known.has(join(place, path)) || existsSync(join(root, place, path))))
        .map((path) => `${file}: ${path}`);
    });
    expect(dangling).toEqual([]);
  });
});
