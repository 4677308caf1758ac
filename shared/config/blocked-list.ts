import { sha256 } from '../lib/digest.ts';
import { readBlocked } from './bindings.ts';
import type { Config } from './config.ts';
import { examine } from './examine.ts';
import { BlockedListSchema, type BlockedFile, type BlockedListFile } from './schema.ts';

/** Reads the file that `policy.blockedFrom` names: `blocked:` and a list as in gateway.yaml. Throws ConfigError. */
export function parseBlockedList(text: string, source: string, tenants: readonly string[]): readonly BlockedFile[] {
  const examined = examine(text, BlockedListSchema, source);
  const { blocked = [] } = examined.sound('blocked') ? (examined.value as BlockedListFile) : {};
  const entries = blocked.map((entry, index) => readBlocked(entry, ['blocked', index], tenants, examined));
  examined.conclude();
  return entries;
}

/** The configuration with more of the blocked. Its digest then covers both texts. */
export function withBlocked(config: Config, blocked: readonly BlockedFile[], text: string): Config {
  const all = [...(config.policy.blocked ?? []), ...blocked];
  return { ...config, policy: { ...config.policy, blocked: all }, digest: sha256(`${config.digest}\n${sha256(text)}`) };
}
