import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBuffer, type Entry } from 'yauzl';
import { archive } from '../../infra/build/archive.ts';
import { leftOut } from '../../infra/build/left-out.ts';
import { licenceProblems } from '../../infra/build/licences.ts';
import { narrowed } from '../../infra/build/narrowed.ts';
import lock from '../../package-lock.json' with { type: 'json' };
import manifest from '../../package.json' with { type: 'json' };
import { buildInto } from '../support/build.ts';

/** Whoever adds one of these thinks of its weight, its health and its licence; what only a library's unused part asks for goes into left-out.ts. */
const packages = `
  @azure-rest/core-client @azure/abort-controller @azure/arm-containerservice @azure/core-auth @azure/core-client
  @azure/core-http-compat @azure/core-lro @azure/core-process @azure/core-rest-pipeline @azure/core-tracing @azure/core-util
  @azure/core-xml @azure/data-tables @azure/functions @azure/functions-extensions-base @azure/identity @azure/keyvault-common
  @azure/keyvault-keys @azure/logger @azure/monitor-ingestion @azure/monitor-opentelemetry-exporter @azure/msal-common @azure/msal-node @azure/storage-blob
  @azure/storage-common @fastify/deepmerge @fastify/error @fastify/forwarded @fastify/proxy-addr @fastify/swagger
  @nodable/entities @opentelemetry/api @opentelemetry/core @opentelemetry/exporter-metrics-otlp-http
  @opentelemetry/exporter-metrics-otlp-proto @opentelemetry/exporter-prometheus @opentelemetry/exporter-trace-otlp-proto
  @opentelemetry/otlp-exporter-base @opentelemetry/otlp-transformer @opentelemetry/resources @opentelemetry/sdk-metrics
  @opentelemetry/sdk-trace @opentelemetry/sdk-trace-base @opentelemetry/semantic-conventions @pinojs/redact @typespec/ts-http-runtime abstract-logging agent-base anynum atomic-sleep avvio
  buffer-crc32 buffer-equal-constant-time cookie croner debug ecdsa-sig-formatter fast-decode-uri-component fast-deep-equal
  fast-json-stringify fast-querystring fast-uri fast-xml-builder fast-xml-parser fastify fastify-plugin fastq find-my-way
  http-proxy-agent https-proxy-agent ipaddr.js is-unsafe jose json-schema-resolver jsonwebtoken jwa jws
  light-my-request lodash.includes lodash.isboolean lodash.isinteger lodash.isnumber lodash.isplainobject lodash.isstring
  lodash.once ms on-exit-leak-free path-expression-matcher pino pino-std-serializers process-warning proxy-agent-negotiate
  quick-format-unescaped ret reusify rfdc safe-buffer safe-regex2 safe-stable-stringify secure-json-parse semver
  set-cookie-parser sonic-boom strnum toad-cache tslib typebox xml-naming yaml yazl`
  .trim()
  .split(/\s+/);

/**
 * What a cold instance reads before its first answer, and all the code that is deployed. The bounds are what the gateway weighed before
 * it had telemetry, webhooks, jobs and health: those came at no cost to a cold start. When one is crossed, look at what grew
 * (`metafile` of infra/build.ts, read by `esbuild --analyze` or esbuild.github.io/analyze):
 * - a library: take a lighter one, or leave out what is not used (left-out.ts, narrowed.ts);
 * - code that few requests need: import it lazily, and it leaves the first answer;
 * - a recorded table or grammar: shorten how it is stored.
 * Raise a bound only for something that is worth its weight, in the commit that adds it, and say there what it is.
 */
const FIRST_ANSWER_BYTES = 160_000;
const CODE_BYTES = 2_868_000;

interface Component {
  readonly 'bom-ref': string;
  readonly group?: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses: readonly { readonly license: { readonly id: string } }[];
}
interface Bom {
  readonly serialNumber: string;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

describe('npm run build', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-build-'));
  const dist = join(folder, 'dist');
  const read = (file: string): string => readFileSync(join(dist, file), 'utf8');
  let inputs: readonly string[];
  let bom: Bom;
  beforeAll(async () => {
    inputs = await buildInto(dist);
    bom = JSON.parse(read('sbom.cdx.json')) as Bom;
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const fullName = ({ group, name }: Component): string => (group === undefined ? name : `${group}/${name}`);

  test('gives a folder that is deployed as it is', () => {
    expect(readdirSync(dist).sort()).toEqual([
      'LICENSE',
      'THIRD-PARTY-NOTICES.txt',
      'functions',
      'host.json',
      'package.json',
      'sbom.cdx.json',
    ]);
    expect(readdirSync(join(dist, 'functions')).filter((file) => !file.endsWith('.js'))).toEqual([]);
  });

  test('holds these packages and no other', () => {
    expect([...new Set(bom.components.map(fullName))].sort()).toEqual(packages.toSorted());
  });

  test('leaves out what is never reached, and each row says of something that it would be there', () => {
    expect(inputs.filter((path) => path.startsWith('left-out:')).sort()).toEqual(
      leftOut.map(({ name }) => `left-out:${name}`).sort(),
    );
    expect(inputs.filter((path) => /node_modules\/(apache-arrow|flatbuffers|open)\//.test(path))).toEqual([]);
  });

  test.each(narrowed)('takes of $file what is used of it', ({ file, names }) => {
    expect(inputs).toContain(file);
    const [, name = ''] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file) ?? [];
    const used = inputs
      .filter((path) => path.includes('node_modules/') && !path.includes(`node_modules/${name}/`))
      .map((path) => readFileSync(path, 'utf8'))
      .flatMap((text) => namesUsed(text, name));
    expect([...new Set(used)].sort()).toEqual(names);
  });

  test.each([
    ["const semver = require('semver'); semver.gt(a, b); semver.lt(a, b)", ['gt', 'lt']],
    ['var { gt, coerce: from } = require("semver")', ['gt', 'coerce']],
    ["require('semver').gt(a, b)", ['gt']],
    ["f(require('semver'))", ['all of it']],
    ["const semver = require('semver'); semver.gt(a, b); f(semver)", ['gt', 'all of it']],
    ["require('semver/functions/gt')", []],
  ])('sees what is used in %s', (text, names) => {
    expect(namesUsed(text, 'semver')).toEqual(names);
  });

  test('keeps the names of its own functions and classes, for logs and stack traces', () => {
    const code = readdirSync(join(dist, 'functions'))
      .map((file) => read(`functions/${file}`))
      .join('');
    for (const name of ['runCommand', 'Problem', 'createAuthenticator']) expect(code).toContain(`,"${name}")`);
  });

  test('stays below its weight, at the first answer and as a whole', () => {
    const size = (file: string): number => statSync(join(dist, 'functions', file)).size;
    const first = new Set(['http.js']);
    // A set is walked to the end of what is added to it meanwhile.
    for (const file of first)
      for (const [, next = ''] of read(`functions/${file}`).matchAll(/(?:from|import)"\.\/([^"]+)"/g)) first.add(next);
    const sum = (files: Iterable<string>): number => [...files].reduce((bytes, file) => bytes + size(file), 0);
    expect(first.size).toBeGreaterThan(2);
    expect(sum(first)).toBeLessThan(FIRST_ANSWER_BYTES);
    expect(sum(readdirSync(join(dist, 'functions')))).toBeLessThan(CODE_BYTES);
  });

  test('keeps what measures apart: the gateway as a whole is loaded without it', () => {
    const loaded = new Set(['server.js']);
    for (const file of loaded)
      for (const [, next = ''] of read(`functions/${file}`).matchAll(/(?:from|import)"\.\/([^"]+)"/g)) loaded.add(next);
    const measures = readdirSync(join(dist, 'functions')).filter((file) =>
      /BatchSpanProcessor|MeterProvider|PrometheusSerializer|applicationinsights/.test(read(`functions/${file}`)),
    );
    expect(loaded.size).toBeGreaterThan(5);
    expect(measures.length).toBeGreaterThan(2);
    expect(measures.filter((file) => loaded.has(file))).toEqual([]);
  });

  test('carries no manifest: neither ours, with its tools, nor those of libraries', () => {
    const code = readdirSync(join(dist, 'functions')).map((file) => read(`functions/${file}`));
    expect(code.filter((text) => /devDependencies|"scripts":|oxlint/.test(text))).toEqual([]);
  });

  test('gives the same bytes for the same sources, and names them by one number', async () => {
    const again = join(folder, 'again');
    await buildInto(again);
    const [one, other] = await Promise.all([archive(dist), archive(again)]);
    expect(other.sha256).toBe(one.sha256);
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(version).toMatch(/^\d+\.\d+\.\d+\+[0-9a-f]{12}$/);
    expect(version.startsWith(`${manifest.version}+`)).toBe(true);
    const naming = readdirSync(join(dist, 'functions')).filter((file) => read(`functions/${file}`).includes(version));
    expect(naming).toHaveLength(1);
    expect(bom.metadata.component.version).toBe(version);
  }, 30_000);

  test('is packed for One Deploy: host.json at the root, plain names, readable for everybody, without the wrapper', async () => {
    mkdirSync(join(dist, 'cli'));
    writeFileSync(join(dist, 'cli/aksgw.js'), 'for people');
    const { bytes } = await archive(dist);
    rmSync(join(dist, 'cli'), { recursive: true });
    const entries = await entriesOf(bytes);
    expect(entries.map(({ fileName }) => fileName)).toEqual(
      expect.arrayContaining(['host.json', 'package.json', 'functions/http.js', 'sbom.cdx.json']),
    );
    expect(entries.filter(({ fileName }) => /^\/|\\|^cli\//.test(fileName))).toEqual([]);
    expect(new Set(entries.map(({ externalFileAttributes }) => externalFileAttributes >>> 16))).toEqual(
      new Set([0o100644]),
    );
  });

  describe('the bill of materials', () => {
    test('is CycloneDX, by its own schema', async () => {
      const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
      expect(await validator.validate(read('sbom.cdx.json'))).toBeNull();
      const wrong = { ...bom, components: [{ ...bom.components[0], licenses: [{ license: { id: 'Unheard-of' } }] }] };
      expect(await validator.validate(JSON.stringify(wrong))).not.toBeNull();
    });

    test('names archives as the lock file has them', () => {
      const locked = new Map(
        Object.entries(lock.packages as Record<string, { version?: string; integrity?: string; dev?: boolean }>).map(
          ([path, { version, integrity = '', dev = false }]) => [
            `${path.split('node_modules/').at(-1)}@${version}`,
            { digest: Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex'), dev },
          ],
        ),
      );
      for (const component of bom.components) {
        const found = locked.get(`${fullName(component)}@${component.version}`);
        expect([component.name, found]).toEqual([
          component.name,
          { digest: component.hashes?.[0]?.content, dev: false },
        ]);
      }
    });

    test('says what needs what, from the gateway to the last package', () => {
      const refs = new Set(bom.components.map((component) => component['bom-ref']));
      expect(refs.size).toBe(bom.components.length);
      const needs = new Map(bom.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
      const reached = new Set([bom.metadata.component['bom-ref']]);
      for (const ref of reached) for (const next of needs.get(ref) ?? []) reached.add(next);
      expect([...refs].filter((ref) => !reached.has(ref))).toEqual([]);
    });
  });

  describe('licences', () => {
    const sample = {
      path: 'node_modules/x',
      name: 'x',
      version: '1.0.0',
      description: '',
      texts: [],
      bytes: 1,
      imports: [],
    };

    test.each([['GPL-3.0-only'], ['AGPL-3.0-or-later'], ['SEE LICENSE IN x'], [undefined]])(
      '%s is not allowed',
      (licence) => {
        const wrong = { ...sample, licence, sha512: undefined };
        expect(licenceProblems([wrong])).toEqual([`x 1.0.0: ${licence ?? 'no licence'} (infra/build/licences.ts)`]);
      },
    );

    test('go with the code, word for word', () => {
      const text = read('THIRD-PARTY-NOTICES.txt');
      for (const component of bom.components)
        expect(text).toContain(`${fullName(component)} ${component.version} (${component.licenses[0]?.license.id})`);
      for (const name of ['fastify', '@azure/storage-blob', 'ecdsa-sig-formatter'])
        expect(text).toContain(readFileSync(join('node_modules', name, 'LICENSE'), 'utf8').trim());
    });
  });
});

/** What a CommonJS text uses of a package that it requires whole. */
function namesUsed(text: string, name: string): readonly string[] {
  const all = new RegExp(`(?:(\\w+|\\{[^}]*\\}) = )?\\brequire\\(['"]${name}['"]\\)(?:\\.(\\w+))?`, 'g');
  return [...text.matchAll(all)].flatMap(([, bound, member]) => {
    if (member !== undefined) return [member];
    if (bound === undefined) return ['all of it'];
    if (bound.startsWith('{')) return [...bound.matchAll(/[{,]\s*(\w+)/g)].map(([, one = '']) => one);
    const uses = text
      .replaceAll(all, '')
      .replaceAll(/^\s*\/\/.*$/gm, '')
      .matchAll(new RegExp(`\\b${bound}\\b(?:\\.(\\w+))?`, 'g'));
    return [...uses].map(([, one]) => one ?? 'all of it');
  });
}

const entriesOf = (bytes: Buffer): Promise<readonly Entry[]> =>
  new Promise((resolve, reject) =>
    fromBuffer(bytes, { lazyEntries: false }, (error, zip) => {
      if (error) return reject(error);
      const entries: Entry[] = [];
      zip
        .on('entry', (entry: Entry) => entries.push(entry))
        .on('end', () => resolve(entries))
        .on('error', reject);
    }),
  );
