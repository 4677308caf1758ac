import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { rfc3339 } from '../../../audit/chain.ts';
import { readCopies } from '../../../audit/sinks/copies.ts';
import { verifyExport } from '../../../audit/verify/export-file.ts';
import { renderReport } from '../../../audit/verify/report.ts';
import { emptyState, type TrailState, acknowledge, parseState, renderState } from '../../../audit/verify/state.ts';
import type { VerificationReport, Verdict } from '../../../audit/verify/verification-report.ts';
import { type VerifyOptions, verifyTrail } from '../../../audit/verify/verify.ts';
import { systemClock } from '../../../clock.ts';
import type { Config } from '../../../config/config.ts';
import type { Host } from '../../host.ts';
import { readConfig } from '../config.ts';
import { locationOf, openPlace, openTrail } from '../log.ts';
import { common, explain } from './arguments.ts';
import { readRootKeyId } from './root-key.ts';

const USAGE = `aksgw audit verify [FOLDER | https://ACCOUNT.blob.core.windows.net/CONTAINER] [options]

Reads a whole audit trail and says what it proves and what not. Without a place: that of --config (AKSGW_CONFIG), else ./data/audit.

  --config FILE      gateway.yaml: where the trail is, its root key, and the second place for copies; none of its secrets is needed
  --state FILE       pins: what was there the last time must still be there; updated unless the trail is broken
  --root-key ID      the thumbprint of a signing key to believe (may be given several times)
  --receipt FILE     a file of receipts that callers kept, one a line (may be given several times)
  --copies PLACE     copied signatures: a file with one a line, a folder, or a container (may be given several times)
  --export FILE      an export (aksgw audit export) in place of the trail itself, offline
  --acknowledge ID   explains a finding, by the id that the report gives it; with --state, --by NAME and --why TEXT
  --json             the report as JSON

Exits 0 for INTACT (no contradiction, everything is covered), 3 for UNPROVEN (no contradiction, but something is not covered), and
1 for BROKEN (a contradiction). Receipts and copies are judged apart: one that is forged is named, and does not break the trail.
`;

const exitCodes: Readonly<Record<Verdict, number>> = { INTACT: 0, UNPROVEN: 3, BROKEN: 1 };

/** `aksgw audit verify`. */
export async function verify(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      ...common,
      state: { type: 'string' },
      'root-key': { type: 'string', multiple: true },
      receipt: { type: 'string', multiple: true },
      copies: { type: 'string', multiple: true },
      export: { type: 'string' },
      acknowledge: { type: 'string' },
      by: { type: 'string' },
      why: { type: 'string' },
      json: { type: 'boolean' },
    },
  });
  const { state: stateFile, acknowledge: id, by, why } = values;
  const incomplete = id !== undefined && (stateFile === undefined || by === undefined || why === undefined);
  if (values.help || positionals.length > 1 || incomplete) return explain(host, USAGE, values);
  const config = readConfig(values.config, host);
  const state = stateFile !== undefined && existsSync(stateFile) ? readState(stateFile) : emptyState;
  const configuredKey = config && (await readRootKeyId(config.storage.signingKey, host));
  const options: VerifyOptions = {
    rootKeys: [...(values['root-key'] ?? []), ...(configuredKey === undefined ? [] : [configuredKey])],
    receipts: (values.receipt ?? []).flatMap(linesOf),
    copies: copiesFrom(values.copies ?? [], config, host),
    state,
    now: systemClock.now(),
  };
  const run = (given: VerifyOptions): Promise<VerificationReport> =>
    values.export === undefined
      ? verifyPlace(positionals[0], values.config, host, given)
      : verifyExport(values.export, given);
  let report = await run(options);
  if (id !== undefined && by !== undefined && why !== undefined) {
    const at = rfc3339(systemClock.now());
    const copies = copiesFrom(values.copies ?? [], config, host);
    report = await run({ ...options, copies, state: acknowledge(state, report.findings, { id, by, why, at }) });
  }
  host.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report));
  if (stateFile !== undefined) writeState(stateFile, report.state);
  return exitCodes[report.verdict];
}

async function verifyPlace(
  place: string | undefined,
  config: string | undefined,
  host: Host,
  options: VerifyOptions,
): Promise<VerificationReport> {
  const log = await openTrail(place, config, host);
  // An empty place is a finding when something says what should be there; else the place is simply wrong.
  const pinned = Object.keys(options.state?.streams ?? {}).length > 0;
  if (!pinned && (await log.streams()).length === 0)
    throw new Error('there is no audit trail there: no stream was found');
  return verifyTrail(log, options);
}

/** Throws Error, naming the file, for one that is not a state. */
export function readState(file: string): TrailState {
  try {
    return parseState(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Beside and renamed: a verifier that is killed leaves the old pins. */
export function writeState(file: string, state: TrailState): void {
  const beside = `${file}.${process.pid}.tmp`;
  writeFileSync(beside, renderState(state), { mode: 0o600 });
  renameSync(beside, file);
}

async function* copiesFrom(named: readonly string[], config: Config | undefined, host: Host): AsyncGenerator<string> {
  const configured = config?.storage.checkpoints;
  const places = [...named.map(locationOf), ...(configured ? [configured] : [])];
  for (const place of places) {
    if (place.kind !== 'azure' && existsSync(place.path) && statSync(place.path).isFile()) {
      yield* linesOf(place.path);
      continue;
    }
    const log = await openPlace(place, host);
    if (log) yield* readCopies(log);
    else if (place !== configured)
      throw new Error(`there are no copies at ${place.kind === 'azure' ? place.url : place.path}`);
  }
}

const linesOf = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
