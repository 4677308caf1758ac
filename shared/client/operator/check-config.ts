import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../../clock.ts';
import type { Config, Entrance } from '../../config/config.ts';
import { parseConfig } from '../../config/load.ts';
import { ConfigError } from '../../config/problem.ts';
import { decodeConfig } from '../../config/readers.ts';
import { type ConfigKey, configKeyOf, SIGNATURE_SUFFIX, verifyText } from '../../config/signature.ts';
import { checkJobs } from '../../jobs/check.ts';
import { withDeadline } from '../../lib/abort.ts';
import { fetchBounded } from '../../lib/bounded-fetch.ts';
import { printable } from '../../lib/safe-text.ts';
import type { Host } from '../host.ts';
import { tokenSource } from '../token.ts';
import { blockedFile, withBlockedList } from './config.ts';

const USAGE = `aksgw config check [--config gateway.yaml] [--entrance port|functions] [--against URL]

Every error and every warning that the gateway would have of this file, with its line. Reaches nothing and needs none of the secrets that
the file names. --entrance functions checks it as Azure Functions starts it. --against asks the gateway at URL, with your own sign-in (which
must be allowed to read the audit trail), whether this is the configuration in force there. Exits 1 when there is an error or a difference.
`;

/** `aksgw config check`. */
export async function checkConfig(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      entrance: { type: 'string', default: 'port' },
      against: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  const file = values.config ?? positionals[0] ?? host.env['AKSGW_CONFIG'];
  const { entrance } = values;
  if (values.help || file === undefined || positionals.length > 1 || !isEntrance(entrance)) {
    host.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  if (/^https?:/i.test(file)) throw new Error('takes a file on this machine; download the blob first');
  const key = await configKeyOf(host.env);
  const config = read(file, entrance, host);
  const unsigned = key ? await unsignedOf(signedFiles(file, config), key) : [];
  for (const problem of unsigned) host.stdout.write(printable(`${problem}\n`));
  if (!config || unsigned.length > 0) return 1;
  for (const warning of config.warnings) host.stdout.write(printable(`warning: ${warning}\n`));
  host.stdout.write(`${file}: in order, ${config.warnings.length} warnings, digest ${config.digest}\n`);
  return values.against === undefined ? 0 : compare(config, values.against, host);
}

const isEntrance = (text: string): text is Entrance => text === 'port' || text === 'functions';

function read(file: string, entrance: Entrance, host: Host): Config | undefined {
  try {
    const baseDir = dirname(resolve(file));
    const checks = [checkJobs(() => systemClock.now())];
    const config = parseConfig(readText(file), { baseDir, entrance, checks, source: file });
    return withBlockedList(config, baseDir, host.stdout);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    host.stdout.write(printable(`${error.message}\n${error.problems.length} errors\n`));
    return undefined;
  }
}

/** The file, and the list of the blocked that it names on this machine: with a key the gateway takes neither without a signature. */
function signedFiles(file: string, config: Config | undefined): readonly string[] {
  const { blockedFrom } = config?.policy ?? {};
  return blockedFrom === undefined || /^https?:/i.test(blockedFrom)
    ? [file]
    : [file, blockedFile(blockedFrom, dirname(resolve(file)))];
}

/** What is wrong with the signature of each file, for those where something is. */
async function unsignedOf(files: readonly string[], key: ConfigKey): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const file of files) {
    const signature = `${file}${SIGNATURE_SUFFIX}`;
    try {
      await verifyText(readText(file), readText(signature), key);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      problems.push(`${signature}: is no signature of it by the key in AKSGW_CONFIG_KEY (${why})`);
    }
  }
  return problems;
}

const readText = (path: string): string => decodeConfig(readFileSync(path));

const ANSWER_MS = 30_000;
const MOST_BYTES = 1024 * 1024;
/** `config.loaded`, as the audit trail codes it. */
const LOADED = 'AKG004I';

/** The trail says what came into force: the newest line of any process. */
async function compare({ digest }: Config, url: string, host: Host): Promise<number> {
  const base = url.replace(/\/+$/, '');
  const token = await tokenSource(base, host.env)();
  const answer = await withDeadline(systemClock, ANSWER_MS, host.signal, (signal) =>
    fetchBounded(
      `${base}/v1/audit/events?code=${LOADED}&order=desc&limit=1`,
      { headers: { authorization: `Bearer ${token}`, accept: 'application/json' } },
      { fetch, maxBytes: MOST_BYTES, signal },
    ),
  );
  if (answer.status !== 200) throw new Error(`${base} answered ${answer.status}`);
  const body = JSON.parse(Buffer.from(answer.bytes).toString('utf8')) as {
    items?: { configDigest: string; time: string; build: string }[];
  };
  const [loaded] = body.items ?? [];
  if (!loaded)
    throw new Error(
      `${base} shows you no line of the configuration in force: that takes the right to read the audit trail`,
    );
  const { configDigest, time, build } = loaded;
  const same = configDigest === digest;
  host.stdout.write(
    printable(
      `${base}: ${same ? 'the same' : `another, digest ${configDigest}`}, in force since ${time} (build ${build})\n`,
    ),
  );
  return same ? 0 : 1;
}
