import { describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accepted, judgeAudit } from '../../infra/build/advisories.ts';
import lock from '../../package-lock.json' with { type: 'json' };
import manifest from '../../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '../..');
const NOW = Date.parse('2026-11-28T12:00:00Z');

/** As npm 11 prints it: https://docs.npmjs.com/cli/commands/npm-audit. */
const report = (id: string): string =>
  JSON.stringify({
    auditReportVersion: 2,
    vulnerabilities: {
      fastify: {
        name: 'fastify',
        via: [{ url: `https://github.com/advisories/${id}`, title: 'A hole', severity: 'high' }],
      },
      '@fastify/swagger': { name: '@fastify/swagger', via: ['fastify'] },
    },
  });
const NONE = JSON.stringify({ auditReportVersion: 2, vulnerabilities: {} });
const row = { id: 'GHSA-aaaa-bbbb-cccc', package: 'fastify', reason: 'not reached', until: '2027-01-31' };

describe('npm audit', () => {
  test('stops at what nobody accepted, and says what it is', () => {
    expect(judgeAudit(report(row.id), [], NOW)).toEqual({ problems: [`${row.id} fastify: high, A hole`] });
    expect(judgeAudit(NONE, [], NOW)).toEqual({ problems: [] });
  });

  test.each([
    ['2027-01-31', '2026-11-28', 0],
    ['2027-01-31', '2027-01-31', 0],
    ['2027-01-31', '2027-02-01', 1],
  ])('an acceptance until %s, on %s, leaves %i problems', (until, today, left) => {
    expect(judgeAudit(report(row.id), [{ ...row, until }], Date.parse(today)).problems).toHaveLength(left);
  });

  test.each(['2027-12-31', 'never'])('takes no acceptance until %s', (until) => {
    expect(judgeAudit(report(row.id), [{ ...row, until }], NOW).problems.join()).toMatch('half a year is the most');
  });

  test('wants acceptances gone that nothing needs any more', () => {
    expect(judgeAudit(NONE, [row], NOW).problems).toEqual([`${row.id} is accepted, and nothing has it`]);
  });

  test.each(['', '{"message":"405 Method Not Allowed","statusCode":405}'])(
    'says so when the registry answers none: %j',
    (printed) => {
      expect(judgeAudit(printed, [], NOW)).toEqual({ problems: [], skipped: 'the registry answers no audit' });
    },
  );

  test('is run where everything is', () => {
    expect(readFileSync(join(root, '.ci/run'), 'utf8')).toMatch(/^step npm run audit$/m);
    expect(accepted.filter(({ reason }) => reason.length < 20)).toEqual([]);
  });
});

describe('npm ci', () => {
  test('runs no script of any package, by npm’s own word', () => {
    const env = { PATH: process.env['PATH'], HOME: tmpdir() };
    const words = process.platform === 'win32' ? [] : ['config', 'get', 'ignore-scripts'];
    expect(execFileSync('npm', words, { cwd: root, env, encoding: 'utf8' }).trim()).toBe('true');
  });

  test('leaves out those that are known to have one, each named', () => {
    const packages = lock.packages as Record<string, { hasInstallScript?: boolean }>;
    const scripted = Object.entries(packages).flatMap(([path, { hasInstallScript }]) =>
      hasInstallScript ? [path.replace(/^.*node_modules\//, '')] : [],
    );
    const named = Object.entries(manifest.allowScripts);
    expect(named.filter(([, allowed]) => allowed)).toEqual([]);
    expect([...new Set(scripted)].filter((name) => !(name in manifest.allowScripts))).toEqual([]);
  });

  test('takes only what the lock file has a digest for', () => {
    const packages = Object.entries(lock.packages as Record<string, { integrity?: string; link?: boolean }>);
    expect(packages.filter(([path, { integrity }]) => path !== '' && !integrity?.startsWith('sha512-'))).toEqual([]);
  });
});
