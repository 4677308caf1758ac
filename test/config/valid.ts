import { readFileSync } from 'node:fs';
import { parseConfig } from '../../shared/config/load.ts';
import type { Config } from '../../shared/config/config.ts';
import { ConfigError } from '../../shared/config/problem.ts';

/** The project's own example, on which most cases are small changes. */
export const exampleText = readFileSync(new URL('../../infra/local/gateway.yaml', import.meta.url), 'utf8');

export const env = { AKSGW_ARM_TOKEN: 'token', OBO_SECRET: 'secret' };

export const parse = (text: string, overrides: Partial<Parameters<typeof parseConfig>[1]> = {}): Config =>
  parseConfig(text, { baseDir: '/srv/gateway', env, source: 'gateway.yaml', ...overrides });

/** The problems of a text, as `line path: message`; none when it is accepted. */
export function problemsOf(text: string, overrides: Partial<Parameters<typeof parseConfig>[1]> = {}): string[] {
  try {
    parse(text, overrides);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ line, path, message }) => `${line} ${path}: ${message}`);
  }
}

export const tenant = '11111111-1111-4111-8111-111111111111';
const armId = (name: string): string =>
  `/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/${name}`;

/** A small gateway.yaml in which each line is one section, so that a case replaces exactly one: line N is sections[N - 1]. */
export const lines = {
  version: 'version: 1',
  listen: 'listen: {}',
  identity: `identity: { tenants: [${tenant}], audience: 22222222-2222-4222-8222-222222222222 }`,
  azure: 'azure: { credential: { kind: default } }',
  clusters: `clusters: { demo: { resourceId: ${armId('demo')} }, stage: { resourceId: ${armId('stage')} } }`,
  storage: 'storage: { audit: "file:a", records: "sqlite:r", signingKey: "file:k" }',
  limits: 'limits: {}',
  policy: 'policy: { roles: {}, bindings: [] }',
  jobs: 'jobs: []',
};
export type Section = keyof typeof lines;
export { armId };

export const withSections = (changes: Partial<Record<Section, string>>): string =>
  Object.values({ ...lines, ...changes }).join('\n');

const user = '55555555-5555-4555-8555-555555555555';
/** A policy line with one role `r`, bound to one user on every cluster. */
export const withRole = (role: string): string =>
  `policy: { roles: { r: ${role} }, bindings: [{ role: r, clusters: ["*"], subjects: [{ user: ${user} }] }] }`;
export const withSubject = (subject: string, clusters = '["*"]'): string =>
  `policy: { roles: { r: {} }, bindings: [{ role: r, clusters: ${clusters}, subjects: [${subject}] }] }`;
