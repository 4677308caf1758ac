// What the Functions worker does with a folder that was deployed, driven over IPC by functions-host.ts: it starts as a placeholder,
// gets its environment and its folder, loads what `main` names, is called, is told to end.
const { globSync, readFileSync } = require('node:fs');
const Module = require('node:module');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

const place = join(__dirname, '../functions/functions-core-double.cjs');
Module.registerHooks({
  resolve: (name, context, next) =>
    name === '@azure/functions-core'
      ? { url: pathToFileURL(place).href, format: 'commonjs', shortCircuit: true }
      : next(name, context),
});
const core = require(place);

const handlers = {
  /** functionEnvironmentReloadRequest: the environment is another from here on, and so is the working folder. */
  async load({ env, folder }) {
    process.env = env;
    process.chdir(folder);
    const { main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    for (const file of globSync(main, { cwd: folder }).sort()) await import(pathToFileURL(join(folder, file)));
    return [...core.functions].map(([name, { metadata }]) => ({ name, bindings: Object.values(metadata.bindings) }));
  },
  invoke: ({ name, data }) => core.invoke(name, data),
  logged: () => core.logged,
  /** workerTerminate: the app's hooks, then the end of the process. */
  async terminate() {
    await core.runHooks('appTerminate');
    setImmediate(() => process.exit(0));
  },
};

process.on('message', ({ id, kind, ...message }) => {
  Promise.resolve(handlers[kind](message)).then(
    (answer) => process.send?.({ id, answer }),
    (error) => process.send?.({ id, error: String(error?.stack ?? error) }),
  );
});
