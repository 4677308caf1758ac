import type { PodSecurity } from '../invocation.ts';

/** What is found in the objects of one command, each once and in the order of finding. */
export interface Findings {
  readonly beyondBaseline: Set<string>;
  readonly beyondRestricted: Set<string>;
  readonly serviceAccounts: Set<string>;
}

export const createFindings = (): Findings => ({
  beyondBaseline: new Set(),
  beyondRestricted: new Set(),
  serviceAccounts: new Set(),
});

export const podSecurityOf = (findings: Findings): PodSecurity => ({
  beyondBaseline: [...findings.beyondBaseline],
  beyondRestricted: [...findings.beyondRestricted],
  serviceAccounts: [...findings.serviceAccounts],
});

/** A command that brings no pod. */
export const noPods: PodSecurity = { beyondBaseline: [], beyondRestricted: [], serviceAccounts: [] };
