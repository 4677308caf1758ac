import type { Plugin } from 'esbuild';

/** What libraries would bring and the gateway never reaches. Whoever reaches it after all gets an error that names it. */
interface LeftOut {
  readonly name: string;
  /** The module as it is imported, or the end of its path. */
  readonly filter: RegExp;
  /** The end of the path of who imports it, where the module's own says too little. */
  readonly importer?: RegExp;
  /** Who imports it, and why it is never reached here. */
  readonly reason: string;
}

export const leftOut: readonly LeftOut[] = [
  {
    name: 'apache-arrow',
    filter: /^apache-arrow$/,
    reason:
      '@azure/storage-blob reads listings as Arrow only when a caller asks for that format; blob-log.ts lists as XML',
  },
  {
    name: 'crc64',
    filter: /^\.\/crc64\.js$/,
    reason:
      '@azure/storage-common computes CRC64 for contentChecksumAlgorithm, which nothing here sets; TLS protects the way',
  },
  {
    name: 'open',
    filter: /^open$/,
    reason: '@azure/identity opens a browser for interactive sign-in; a server has none (credential.ts)',
  },
  {
    name: 'pino/transport',
    filter: /^\.\/(?:lib\/)?transport$/,
    importer: /[\\/]pino[\\/](?:pino|lib[\\/]tools)\.js$/,
    reason: 'pino writes through a worker thread where a transport is named; the log goes to stdout (request-log.ts)',
  },
  {
    name: 'supports-color',
    filter: /^supports-color$/,
    reason:
      'debug takes it if some other package happens to have brought it, here a development tool; logs have no colours',
  },
];

const NAMESPACE = 'left-out';

/** Puts in place of each a module that fails when it is called, whichever way and by whichever name it was imported. */
export const leaveOut: Plugin = {
  name: NAMESPACE,
  setup({ onResolve, onLoad }) {
    for (const { name, filter, importer: by = /./ } of leftOut)
      onResolve({ filter }, ({ importer }) => (by.test(importer) ? { path: name, namespace: NAMESPACE } : undefined));
    onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({
      contents: `const absent = () => { throw new Error(${JSON.stringify(`${path} is left out of this build (infra/build/left-out.ts)`)}); };
        module.exports = Object.assign(absent, { tableFromIPC: absent, apps: absent });`,
    }));
  },
};
