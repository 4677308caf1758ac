import manifest from '../package.json' with { type: 'json' };

/** The build that answers: in /healthz, OpenAPI and the audit trail. */
export const version = manifest.version;
