// One invocation of the timer in FOLDER/function.mjs. The worker injects @azure/functions-core; here the tests' double stands in.
const Module = require('node:module');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

const double = join(__dirname, '../functions/functions-core-double.cjs');
Module.registerHooks({
  resolve: (name, context, next) =>
    name === '@azure/functions-core'
      ? { url: pathToFileURL(double).href, format: 'commonjs', shortCircuit: true }
      : next(name, context),
});

const timer = { schedule: { adjustForDST: true }, scheduleStatus: null, isPastDue: false };
import(pathToFileURL(join(process.argv[2], 'function.mjs')))
  .then(() => require(double).invoke('nightly-restart', { json: JSON.stringify(timer) }))
  .then(
    () => {
      for (const [, message] of require(double).logged) console.log(message);
      process.exit(0);
    },
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
