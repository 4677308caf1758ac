import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generated } from './generated.ts';

/** `node infra/monitoring/generate.ts` writes the dashboards, alerts and the workbook. Do not edit what it writes. */
for (const [path, text] of Object.entries(generated())) {
  const file = join(import.meta.dirname, '../..', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
