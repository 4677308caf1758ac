import { appendFileSync } from 'node:fs';
import { openAuditTrail } from '../../../shared/audit/write/open-trail.ts';
import { loadLocalRootKey } from '../../../shared/audit/keys.ts';
import { systemClock, systemEntropy } from '../../../shared/clock.ts';
import { createFileLog } from '../../../shared/store/file-log.ts';
import { completed, intended } from './samples.ts';

/**
 * A gateway under load, to be killed: for each command an intent, then its run (a line in a file: what "Azure" saw), then the
 * outcome. Speaks on stdout once it runs. Arguments: folder, name.
 */
const [, , folder = '', name = ''] = process.argv;
const trail = await openAuditTrail({
  log: createFileLog({ folder: `${folder}/log`, maxSegmentBytes: 64 * 1024 }),
  key: await loadLocalRootKey(`${folder}/signing.jwk`),
  clock: systemClock,
  entropy: systemEntropy,
  build: 'crash-test',
});
let count = 0;
await Promise.all(
  Array.from({ length: 16 }, async () => {
    for (;;) {
      count += 1;
      const commandId = `${name}-${count}`;
      const recorded = await trail.record(intended(commandId));
      appendFileSync(`${folder}/ran`, `${commandId} ${recorded.stream} ${recorded.seq} ${recorded.hash}\n`);
      if (count === 32) process.stdout.write('running\n');
      await trail.record(completed(commandId));
    }
  }),
);
