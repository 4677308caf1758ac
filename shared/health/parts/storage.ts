import { finder, partOf, rowsOf, type Answers } from '../answers.ts';
import { time } from '../rows.ts';
import type { Finding, Part } from '../status.ts';

const finding = finder('storage');
/** A claim that waits for less is on its way. */
const PENDING_MS = 120_000;

/** Claims and volumes. */
export function storage(answers: Answers, namespace: string | undefined): Part {
  const rows = rowsOf(answers, 'persistentVolumeClaims');
  const claims = rows.flatMap((row): readonly Finding[] => {
    const [created, phase, , , , , , storageClass = ''] = row.fields;
    const born = time(created);
    if (phase === 'Lost') return [finding('failing', 'claim-lost', row, 'its volume is gone')];
    if (phase === 'Pending' && (born === undefined || answers.now - born > PENDING_MS))
      return [
        finding('degraded', 'claim-unbound', row, storageClass === '' ? 'no storage class' : `class ${storageClass}`),
      ];
    return [];
  });
  const volumes = rowsOf(answers, 'persistentVolumes');
  const failed = volumes.flatMap((row) =>
    row.fields[1] === 'Failed' ? [finding('degraded', 'volume-failed', row, 'could not be reclaimed')] : [],
  );
  const unbound = claims.length;
  const numbers = { claims: rows.length, unbound, volumes: volumes.length };
  const well = `${rows.length - unbound} of ${rows.length} claims bound`;
  const found = namespace === undefined ? { persistentVolumes: failed } : {};
  return partOf(answers, { persistentVolumeClaims: claims, ...found }, numbers, well);
}
