import { describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkSettings, missingSettings, MissingSetting, settings } from '../../functions/settings.ts';
import { ConfigError } from '../../shared/config/problem.ts';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const named = (reader: 'gateway' | 'host'): readonly string[] =>
  Object.entries(settings).flatMap(([name, { readBy }]) => (readBy === reader || readBy === 'both' ? [name] : []));

/** `env.NAME`, `env['NAME']`, and `env[NAME]` of a constant. */
const readIn = (text: string): readonly string[] =>
  [...text.matchAll(/\benv\??(?:\.|\[')([A-Z][A-Za-z0-9_]+)\b|\benv\?\.?\[([A-Z_]+)\]/g)].map(
    ([, name, constant = '']) => name ?? new RegExp(`const ${constant} = '(\\w+)'`).exec(text)?.[1] ?? constant,
  );
/** What a library reads by itself. */
const OF_OTLP = 'OTEL_EXPORTER_OTLP_HEADERS';

describe('the settings', () => {
  test('are all that the gateway reads of its environment by a fixed name', () => {
    const files = globSync('{functions,shared}/**/*.ts', { cwd: root }).filter(
      (file) => !file.startsWith('shared/client/'),
    );
    const found = new Set(files.flatMap((file) => readIn(read(file))));
    expect([...found, OF_OTLP].toSorted()).toEqual(named('gateway').toSorted());
    expect(read('shared/telemetry/sdk/otlp.ts')).toContain(OF_OTLP);
  });

  test('are all that Terraform gives the app, and the host’s are all given', () => {
    const block = /settings = merge\(\{([^]*?)\n {2}\} : \{\}\)/.exec(
      read('infra/terraform/modules/gateway/app.tf'),
    )?.[1];
    const given = [...(block ?? '').matchAll(/^\s+([A-Z]\w+)\s+=/gm)].map(([, name]) => name);
    expect(given).toContain('AKSGW_CONFIG');
    expect(given.filter((name) => !(String(name) in settings))).toEqual([]);
    expect(named('host').filter((name) => !given.includes(name))).toEqual([]);
  });

  test.each([[{}], [{ AKSGW_CONFIG: '' }], [{ AKSGW_CONFIG: ' ' }], [{ AKSGW_CONFIG: '@Microsoft.KeyVault(x)' }]])(
    'that are missing stop the start on Functions: %j',
    (env) => {
      expect(() => checkSettings(env, 'functions')).toThrow(/the setting AKSGW_CONFIG (is not set|holds a Key Vault)/);
      expect(() => checkSettings(env, 'port')).not.toThrow();
    },
  );

  test('of the log are a level that there is, or none; another is refused with those that there are, and without its value', () => {
    for (const level of ['', 'trace', 'warn', 'silent'])
      expect(() => checkSettings({ AKSGW_LOG_LEVEL: level }, 'port')).not.toThrow();
    for (const level of ['loud', 'WARN', ' warn', '30', 'constructor']) {
      const check = (): void => checkSettings({ AKSGW_LOG_LEVEL: level }, 'port');
      expect(check).toThrow('AKSGW_LOG_LEVEL is none of trace, debug, info, warn, error, fatal, silent.');
      expect(check).not.toThrow(`"${level}"`);
    }
    // By the entrance itself, before it reads a configuration.
    const words = ['--disable-warning=ExperimentalWarning', join(root, 'functions/server.ts'), '--config', '/nowhere'];
    const env = { ...process.env, AKSGW_LOG_LEVEL: 'loud' };
    const { status, stderr } = spawnSync(process.execPath, words, { env, encoding: 'utf8' });
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/^the gateway did not start: the setting AKSGW_LOG_LEVEL is none of trace/),
    ]);
  });

  test('are named in what went wrong, once each', () => {
    const problem = { line: 1, path: 'azure', message: 'is not set' };
    const error = new ConfigError('gateway.yaml', [
      { ...problem, setting: 'A' },
      { ...problem, setting: 'A' },
      problem,
    ]);
    expect(missingSettings(error)).toEqual(['A']);
    expect(missingSettings(new MissingSetting('no B', ['B']))).toEqual(['B']);
    expect(missingSettings(new Error('C is not set'))).toEqual([]);
  });
});
