import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Config } from '../../config/config.ts';
import { parseConfig } from '../../config/load.ts';
import type { Host } from '../host.ts';

interface ReadOptions {
  /** Whether the tokens and secrets that the file names must be there. An auditor has none of them. */
  readonly secrets: boolean;
}

/** The configuration that `--config` or AKSGW_CONFIG names, if one does. Throws ConfigError with every problem and its line. */
export function readConfig(
  path: string | undefined,
  { env }: Pick<Host, 'env'>,
  { secrets }: ReadOptions = { secrets: true },
): Config | undefined {
  const file = path ?? env['AKSGW_CONFIG'];
  if (file === undefined) return undefined;
  if (/^https?:/i.test(file)) throw new Error('--config takes a file on this machine here; download the blob first');
  const baseDir = dirname(resolve(file));
  return parseConfig(readFileSync(file, 'utf8'), { baseDir, ...(secrets && { env }), source: file });
}
