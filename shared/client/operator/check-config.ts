import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { eventCodes } from '../../audit/events.ts';
import { systemClock } from '../../clock.ts';
import { parseBlockedList, withBlocked } from '../../config/blocked-list.ts';
import type { Config, Entrance } from '../../config/config.ts';
import { parseConfig } from '../../config/load.ts';
import { ConfigError } from '../../config/problem.ts';
import { decodeConfig } from '../../config/readers.ts';
import { type ConfigKey, configKeyOf, SIGNATURE_SUFFIX, verifyText } from '../../config/signature.ts';
import { isUrl, readerOf } from '../../config/source.ts';
import { readWhole } from '../../config/whole-text.ts';
import { checkJobs } from '../../jobs/check.ts';
import { withDeadline } from '../../lib/abort.ts';
import { printable } from '../../lib/safe-text.ts';
import { compilePolicy } from '../../policy/policy.ts';
import { Secret } from '../../secret.ts';
import type { Host } from '../host.ts';
import { askGateway, readAddress } from './ask-gateway.ts';
import { blockedFile, lacking, withBlockedList } from './config.ts';

const USAGE = `aksgw config check [--config gateway.yaml] [--entrance port|functions] [--against URL]

Every error and every warning that the gateway would have of this file, with its line. Reaches nothing and needs none of the secrets that
the file names. --entrance functions checks it as Azure Functions starts it. --against asks the gateway at URL, with your own sign-in (which
must be allowed to read the audit trail), whether this configuration and the policy it makes are in force there; a list of the blocked that lies
elsewhere is then read too. Exits 1 when there is an error or a difference.
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
    host.stderr.write(values.help ? USAGE : lacking(file) + USAGE);
    return values.help ? 0 : 2;
  }
  if (/^https?:/i.test(file)) throw new Error('takes a file on this machine; download the blob first');
  const key = await configKeyOf(host.env);
  const config = read(file, entrance, host, values.against === undefined ? host.stdout : { write: () => true });
  const unsigned = key ? await unsignedOf(signedFiles(file, config), key) : [];
  for (const problem of unsigned) host.stdout.write(printable(`${problem}\n`));
  if (!config || unsigned.length > 0) return 1;
  host.stdout.write(`${file}: in order, ${config.warnings.length} warnings, digest ${config.digest}\n`);
  return values.against === undefined ? 0 : compare(await withListAfar(config, key, host), values.against, host);
}

const isEntrance = (text: string): text is Entrance => text === 'port' || text === 'functions';

/** `notes` is told of a list of the blocked that is not read. */
function read(file: string, entrance: Entrance, host: Host, notes: Host['stdout']): Config | undefined {
  try {
    const baseDir = dirname(resolve(file));
    const checks = [checkJobs(() => systemClock.now())];
    const config = parseConfig(readText(file), { baseDir, entrance, checks, source: file });
    tell(config.warnings, host);
    return withBlockedList(config, baseDir, notes);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    host.stdout.write(printable(`${error.message}\n`));
    tell(error.warnings, host);
    host.stdout.write(`${error.problems.length} errors, ${error.warnings.length} warnings\n`);
    return undefined;
  }
}

function tell(warnings: readonly string[], host: Host): void {
  for (const warning of warnings) host.stdout.write(printable(`warning: ${warning}\n`));
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
      await verifyText(readText(file), readText(signature), key, new Date(systemClock.now()));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      problems.push(`${signature}: is not a signature of it by the key in AKSGW_CONFIG_KEY (${why})`);
    }
  }
  return problems;
}

const readText = (path: string): string => decodeConfig(readFileSync(path));

const ANSWER_MS = 30_000;
const LOADED = eventCodes['config.loaded'];

/** With the list of the blocked that lies elsewhere: read as the gateway reads it, with the sign-in of this machine. */
async function withListAfar(config: Config, key: ConfigKey | undefined, host: Host): Promise<Config> {
  const { blockedFrom } = config.policy;
  if (blockedFrom === undefined || !isUrl(blockedFrom)) return config;
  const credential = async (scope: string): Promise<Secret> => {
    const { DefaultAzureCredential } = await import('@azure/identity');
    return new Secret((await new DefaultAzureCredential().getToken(scope)).token);
  };
  const reader = readerOf(blockedFrom, { fetch, credential, clock: systemClock }, key);
  const { text } = await withDeadline(systemClock, ANSWER_MS, host.signal, (signal) =>
    readWhole(reader, undefined, systemClock, signal),
  );
  return withBlocked(config, parseBlockedList(text, reader.source, config.identity.tenants), text);
}

/** A line of the trail about what came into force. */
interface LoadedLine {
  readonly configDigest: string;
  readonly policyDigest: string;
  readonly time: string;
  readonly build: string;
}

/** The trail says what came into force: the newest line of any process. */
async function compare(config: Config, url: string, host: Host): Promise<number> {
  const base = readAddress('--against', url);
  const loaded = await lastLoaded(base, host);
  const policyDigest = compilePolicy(config).digest;
  const same = { file: loaded.configDigest === config.digest, policy: loaded.policyDigest === policyDigest };
  const words = same.file
    ? same.policy
      ? 'the same'
      : `the same file, and by it another policy, digest ${loaded.policyDigest}: that build has other roles built in`
    : `another, digest ${loaded.configDigest}${same.policy ? ', with the same policy' : `, with another policy, digest ${loaded.policyDigest}`}`;
  host.stdout.write(printable(`${base}: ${words}, in force since ${loaded.time} (build ${loaded.build})\n`));
  return same.file && same.policy ? 0 : 1;
}

async function lastLoaded(base: string, host: Host): Promise<LoadedLine> {
  const answer = await askGateway(base, `/v1/audit/events?code=${LOADED}&order=desc&limit=1`, host);
  const [loaded] = (answer as { items?: LoadedLine[] }).items ?? [];
  if (loaded) return loaded;
  throw new Error(
    `${base} shows you no line of the configuration in force: that takes the right to read the audit trail`,
  );
}
