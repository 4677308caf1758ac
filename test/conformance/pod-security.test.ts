import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Json } from '../../shared/command/json.ts';
import { createFindings } from '../../shared/command/pod-security/findings.ts';
import { judgeObject } from '../../shared/command/pod-security/pod-security.ts';
import { catalogOf } from '../../shared/kubernetes/resources.ts';

/** What Kubernetes' own library says of generated pods; pod-security/record.ts makes the file. */
const { library, cases } = JSON.parse(readFileSync(join(import.meta.dirname, 'pod-security', 'pods.json'), 'utf8')) as {
  readonly library: string;
  readonly cases: readonly { readonly baseline: boolean; readonly restricted: boolean; readonly pod: Json }[];
};

/** Where the gateway asks for more than the Standards, on purpose (shared/policy/README.md, "Pods"). */
const STRICTER = new Set(['a flexVolume', 'a gitRepo volume']);

describe(`pod security as ${library} has it`, () => {
  test('there are enough pods of each verdict', () => {
    for (const [baseline, restricted] of [
      [true, true],
      [true, false],
      [false, false],
    ]) {
      const same = cases.filter((one) => one.baseline === baseline && one.restricted === restricted);
      expect(same.length).toBeGreaterThanOrEqual(50);
    }
  });

  test('each pod is within a standard here when it is there, but for what is stricter on purpose', () => {
    const pods = catalogOf([]).builtIn('pods');
    const wrong = cases.flatMap(({ pod, baseline, restricted }) => {
      const findings = createFindings();
      judgeObject(findings, pods, pod);
      const beyond = [...findings.beyondBaseline];
      const withinBaseline = beyond.length === 0;
      const within = { baseline: withinBaseline, restricted: withinBaseline && findings.beyondRestricted.size === 0 };
      const onPurpose = beyond.length > 0 && beyond.every((reason) => STRICTER.has(reason));
      // The library judges the two levels apart; to the gateway "Restricted" includes "Baseline", for Windows pods too.
      const same = within.baseline === baseline && within.restricted === (baseline && restricted);
      return same || (onPurpose && baseline) ? [] : [{ pod, said: { baseline, restricted }, within, beyond }];
    });
    expect(wrong).toEqual([]);
  });
});
