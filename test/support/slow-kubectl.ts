import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onPath, writeStandIn } from '../../infra/local/pod/tools.ts';
import { temporaryFolder } from './temporary-folder.ts';

/**
 * A folder for the pods' PATH with a kubectl for which a command about something called `slow` leaves a file `begun` in that folder, prints a
 * line and then takes a minute; while a file `no-exec` lies there, nobody gets into a pod. Everything else is the installed one's, or the stand-in's.
 */
export async function slowKubectl(): Promise<string> {
  const folder = temporaryFolder('slow');
  const other = temporaryFolder('stand-in');
  await writeStandIn(other);
  const path = process.env['PATH'] ?? '';
  const real = onPath('kubectl', path) ? `PATH='${path}' exec kubectl "$@"` : `exec '${join(other, 'kubectl')}' "$@"`;
  const program = join(folder, 'kubectl');
  writeFileSync(
    program,
    `#!/bin/sh\ncase "$*" in *slow*) echo begun; : >'${folder}/begun'; exec sleep 60;; exec*) [ ! -f '${folder}/no-exec' ] || exit 1;; esac\n${real}\n`,
  );
  chmodSync(program, 0o755);
  return folder;
}
