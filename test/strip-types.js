import { stripTypeScriptTypes } from 'node:module';

/** A jest transformer: what Node itself does to a .ts file, positions kept, so that stack traces need no source map. */
export default { process: (source) => ({ code: stripTypeScriptTypes(source, { mode: 'strip' }) }) };
