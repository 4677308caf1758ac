import { NotRun } from '../exits.ts';
import type { Host } from '../host.ts';
import { findProgram, runProgram } from '../programs.ts';
import type { Tokens } from './entra.ts';
import { scopeOf, type Pin } from './pin.ts';

const AZ_MS = 60_000;

/** A token by `az account get-access-token`, of the person who is signed in with the Azure CLI. Throws NotRun, with the command that mends it. */
export async function azureCli(pin: Pin, { env, signal }: Host): Promise<Tokens> {
  const az = findProgram('az', env);
  if (az === undefined) throw new NotRun('the Azure CLI (az) is not on the PATH: aksgw login URL --method device-code');
  const words = ['account', 'get-access-token', '--scope', scopeOf(pin), '--tenant', pin.tenant, '--output', 'json'];
  const { code, stdout, stderr } = await runProgram(az, words, { env, ms: AZ_MS, signal });
  if (code !== 0) {
    const why =
      stderr
        .trim()
        .split('\n')
        .find((line) => /ERROR|AADSTS/.test(line)) ??
      stderr.trim().split('\n')[0] ??
      '';
    throw new NotRun(`az says: ${why}\n       az login --tenant ${pin.tenant} --scope ${scopeOf(pin)}`);
  }
  const { accessToken } = JSON.parse(stdout.toString('utf8')) as { accessToken?: unknown };
  if (typeof accessToken !== 'string') throw new NotRun('az gave no access token');
  return { accessToken };
}
