import { createHash } from 'node:crypto';
import { createUploads, type Uploads } from '../files.ts';
import type { SentFile } from '../invocation.ts';
import { isList, isObject, readJson, type Json, type JsonObject } from '../json.ts';
import { canonicalPath, foldCase } from '../paths.ts';
import { refuse } from '../../lib/refuse.ts';
import { lookupsOf, type Lookup } from './lookups.ts';
import { packedPattern, unpackChart } from './packed-chart.ts';
import { counting, decodeText, readYaml, type YamlBudget } from '../yaml.ts';

/**
 * A chart that came with the request, as a folder or packed. Nothing is fetched, and what goes out are the files that were judged here,
 * so that they are what helm reads: no archives (CVE-2025-32386, CVE-2026-35206), no links (CVE-2025-53547), no dependency that is not in the folder, no schema
 * that refers to anything outside itself (CVE-2025-55199).
 */
export interface UploadedChart {
  /** As uploaded, without slash at its end; `.` for the root of the uploads. */
  readonly folder: string;
  /** The word that helm gets: begins with `.`, which helm takes for a local path and for nothing else. */
  readonly word: string;
  readonly files: readonly SentFile[];
  /** `sha256:<hex>`; see digestOf. */
  readonly digest: string;
  /** What its templates ask the cluster while they are rendered. */
  readonly lookups: readonly Lookup[];
}

/** helm's own limit for one decompressed file of a chart (pkg/chart/loader/archive). */
const MOST_FILE_BYTES = 5 * 1024 * 1024;
const MOST_CHARTS = 100;
const MOST_DEPTH = 8;
/** helm's own rule for chart names (pkg/chart/metadata.go), which lets no folder be named. */
const chartNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]*$/u;

export type ReadChart = (word: string) => UploadedChart;

/**
 * Reads the charts of one command, each once however often it is named: `helm lint . . .`, a subchart that is a dependency too. What
 * it gives throws Problem `command-refused`, naming the file and what is wrong with it.
 */
export function createChartReader(uploads: Uploads, budget: YamlBudget): ReadChart {
  const charts = new Map<string, UploadedChart>();
  const source: Source = { uploads, budget, maps: new Map(), unpacked: new Map() };
  return (word) => {
    const known = charts.get(word);
    if (known) return known;
    const chart = readChart(source, word);
    charts.set(word, chart);
    return chart;
  };
}

/** What the charts of one command share. */
interface Source {
  readonly uploads: Uploads;
  readonly budget: YamlBudget;
  /** The YAML maps that were read, by path. */
  readonly maps: Map<string, JsonObject>;
  /** The archives that were unpacked, by the folder that each became. */
  readonly unpacked: Map<string, string>;
}

function readChart(source: Source, word: string): UploadedChart {
  const { uploads } = source;
  if (/^[a-z][a-z0-9+.-]*:/iu.test(word))
    throw refuse(
      word,
      'is fetched from elsewhere; pull it yourself and send it with the request, as a folder or a .tgz',
    );
  if (packedPattern.test(word)) return readPacked(source, word);
  if (word.endsWith('.tar')) throw refuse(word, 'is not a packed chart: those end in .tgz; or send its folder');
  const folder = canonicalPath(word);
  if (folder === undefined)
    throw refuse(word, 'is not below the working folder; charts from elsewhere are not fetched');
  const prefix = folder === '' ? '' : `${folder}/`;
  if (uploads.get(`${prefix}Chart.yaml`) === undefined) {
    throw refuse(
      word,
      'is not a folder with a Chart.yaml, or a .tgz, among the files sent; charts of repositories are not fetched: helm pull it and send it',
    );
  }
  const paths = uploads.below(folder);
  const inside = new Set(paths.map((path) => path.slice(prefix.length)));
  const state: Walk = { ...source, prefix, inside, charts: 0 };
  checkChart(state, '', 0);
  const files = paths.map((path) => uploads.use(path));
  for (const { path, bytes } of files) {
    if (bytes.byteLength > MOST_FILE_BYTES)
      throw refuse(path, `is larger than the ${MOST_FILE_BYTES} bytes that helm takes`);
  }
  return {
    folder: folder || '.',
    word: folder === '' ? '.' : `./${folder}`,
    files,
    digest: digestOf(files.map(({ path, bytes }) => ({ path: path.slice(prefix.length), bytes }))),
    lookups: lookupsOf(files),
  };
}

/** An uploaded .tgz: unpacked here, judged and sent as the folder that it holds. */
function readPacked(source: Source, word: string): UploadedChart {
  const { uploads } = source;
  const { path, bytes } = uploads.find(word);
  const { folder, files } = unpackChart(path, bytes);
  if (uploads.below(folder).length > 0)
    throw refuse(word, `would be unpacked into ${folder}, of which there are files too`);
  const other = source.unpacked.get(folder) ?? path;
  if (other !== path) throw refuse(word, `would be unpacked into ${folder}, as ${other} is`);
  source.unpacked.set(folder, path);
  const chart = readChart({ ...source, uploads: createUploads(files), maps: new Map() }, folder);
  for (const file of chart.files) uploads.add(file);
  return chart;
}

/**
 * SHA-256 over the files sorted by the bytes of their paths, each as: path below the chart's folder, NUL, length in decimal, NUL, content. So
 * that neither moving a byte from one file to the next nor renaming goes unseen.
 */
function digestOf(files: readonly SentFile[]): string {
  const hash = createHash('sha256');
  for (const { path, bytes } of files.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))) {
    hash.update(`${path}\0${bytes.byteLength}\0`).update(bytes);
  }
  return `sha256:${hash.digest('hex')}`;
}

interface Walk extends Source {
  readonly prefix: string;
  /** Paths below the chart's folder. */
  readonly inside: ReadonlySet<string>;
  charts: number;
}

/** One chart and, below `charts/`, those inside it. `at` is '' or ends with a slash. */
function checkChart(walk: Walk, at: string, depth: number): void {
  if (++walk.charts > MOST_CHARTS || depth > MOST_DEPTH)
    throw refuse(`${walk.prefix}${at}`, 'holds too many charts inside charts');
  const children = new Set<string>();
  for (const path of walk.inside) {
    if (!path.startsWith(`${at}charts/`)) continue;
    const rest = path.slice(at.length + 'charts/'.length);
    if (/\.(?:tgz|tar\.gz|tar|gz)$/iu.test(path))
      throw refuse(
        `${walk.prefix}${path}`,
        'is a packed chart; unpack it into a folder, or send the whole chart packed',
      );
    // helm skips what begins with one of these, and files that lie in charts/ itself.
    if (rest.includes('/') && !/^[._]/u.test(rest)) children.add(rest.slice(0, rest.indexOf('/')));
  }
  const manifest = readMap(walk, `${at}Chart.yaml`);
  const name = manifest['name'];
  if (typeof name !== 'string' || !chartNamePattern.test(name)) {
    throw refuse(`${walk.prefix}${at}Chart.yaml`, 'has no name, or one that a chart cannot have');
  }
  checkDependencies(walk, at, manifest, children);
  if (walk.inside.has(`${at}requirements.yaml`)) {
    checkDependencies(walk, at, readMap(walk, `${at}requirements.yaml`), children);
  }
  if (walk.inside.has(`${at}values.schema.json`)) checkSchema(walk, `${at}values.schema.json`);
  for (const child of children) {
    const inner = `${at}charts/${child}/`;
    if (!walk.inside.has(`${inner}Chart.yaml`))
      throw refuse(`${walk.prefix}${inner}`, 'is in charts/ and has no Chart.yaml');
    checkChart(walk, inner, depth + 1);
  }
}

function readMap(walk: Walk, path: string): JsonObject {
  const name = `${walk.prefix}${path}`;
  const known = walk.maps.get(name);
  if (known) return known;
  const bytes = walk.uploads.get(name);
  if (bytes === undefined) throw refuse(name, 'was not sent with the request');
  const documents = readYaml({ name, text: decodeText(name, bytes), budget: walk.budget });
  const [map] = documents;
  if (documents.length !== 1 || !isObject(map)) throw refuse(name, 'is not one YAML map');
  for (const key of Object.keys(map)) {
    // Go's decoder takes any case: `Dependencies` and `dependencieſ` would be read by helm and not here.
    const spelt = foldCase(key);
    if (/^(?:dependencies|name)$/u.test(spelt) && key !== spelt) throw refuse(name, `the key ${key} is spelt ${spelt}`);
  }
  walk.maps.set(name, map);
  return map;
}

/** A dependency that is not in charts/ would be fetched, or refused by helm; its repository does not matter once it is there. */
function checkDependencies(walk: Walk, at: string, manifest: JsonObject, children: ReadonlySet<string>): void {
  const file = `${walk.prefix}${at}Chart.yaml`;
  const dependencies = manifest['dependencies'];
  if (dependencies === undefined || dependencies === null) return;
  if (!isList(dependencies)) throw refuse(file, 'its dependencies are not a list');
  const vendored = new Set([...children].map((child) => chartName(walk, `${at}charts/${child}/`)));
  for (const dependency of dependencies) {
    const name = isObject(dependency) ? dependency['name'] : undefined;
    if (typeof name !== 'string' || !chartNamePattern.test(name))
      throw refuse(file, 'has a dependency without a proper name');
    if (!vendored.has(name))
      throw refuse(file, `its dependency ${name} is not in charts/; vendor it (helm dependency build, then unpack)`);
  }
}

function chartName(walk: Walk, at: string): unknown {
  return walk.inside.has(`${at}Chart.yaml`) ? readMap(walk, `${at}Chart.yaml`)['name'] : undefined;
}

const references = new Set(['$ref', '$dynamicRef', '$recursiveRef']);
/** Drafts that the validators carry inside themselves; any other would be fetched. */
const knownDraft = /^https?:\/\/json-schema\.org\/(?:draft-0[4-7]|draft\/2019-09|draft\/2020-12)\/schema#?$/u;
/**
 * What a schema calls itself, or a part of it. The validator of helm up to 3.18 loses a query and a fragment when it resolves `#/…` against it,
 * does not find the rest among what it has, and reads it: `{"$id": "file:///dev/zero#x", "$ref": "#/y"}` (gojsonschema, schemaPool.go).
 */
const plainId = /^[\w./~:#-]*$/u;
const otherScheme = /^(?!https?:|urn:)[a-z][a-z0-9+.-]*:/iu;
const isSoundId = (id: string): boolean => plainId.test(id) && !/.#./u.test(id) && !otherScheme.test(id);
/** `id` is a schema's name in draft 4 alone, and may be data anywhere: only what could be read or fetched is looked at. */
const isAddress = /^[a-z][a-z0-9+.-]*:\/|[?#]/iu;

function checkSchema(walk: Walk, path: string): void {
  const name = `${walk.prefix}${path}`;
  const text = decodeText(name, walk.uploads.get(name) ?? new Uint8Array());
  const queue: unknown[] = [parseJson(name, text, walk.budget)];
  while (queue.length > 0) {
    const node = queue.pop();
    if (typeof node !== 'object' || node === null) continue;
    for (const [key, value] of Object.entries(node)) {
      if (references.has(key) && typeof value === 'string' && !value.startsWith('#')) {
        throw refuse(name, `${key} to ${value}: a schema may refer only to itself (#…)`);
      }
      if (key === '$schema' && typeof value === 'string' && !knownDraft.test(value)) {
        throw refuse(name, `$schema ${value} is not a draft of json-schema.org`);
      }
      if (namesItself(key, value) && !isSoundId(value)) {
        throw refuse(name, `${key} ${value}: what a schema calls itself is a plain address without "?" and "#…"`);
      }
      queue.push(value);
    }
  }
}

const namesItself = (key: string, value: unknown): value is string =>
  typeof value === 'string' && (key === '$id' || (key === 'id' && isAddress.test(value)));

/** Not JSON.parse: V8 can misread a key that is spelt with an escape (lib/strict-json.ts), `"\u0024ref"` for one. */
function parseJson(name: string, text: string, budget: YamlBudget): Json {
  const [schema, ...more] = readJson(text, (why) => refuse(name, why), counting(name, budget)) ?? [];
  if (schema === undefined || more.length > 0) throw refuse(name, 'is not JSON');
  return schema;
}
