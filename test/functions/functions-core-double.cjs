// What the Functions worker injects as @azure/functions-core, as far as @azure/functions 4 uses it: enough to register
// functions and to drive the library's own converters as the worker would (its InvocationModel, RPC shapes in and out).
const functions = new Map();
const logged = [];
const hooks = [];
let model;

class Disposable {
  dispose() {}
}

module.exports = {
  version: '1.0.0',
  hostVersion: '4.0.0',
  Disposable,
  setProgrammingModel: (value) => {
    model = value;
  },
  getProgrammingModel: () => model,
  registerFunction: (metadata, callback) => {
    functions.set(metadata.name, { metadata, callback });
    return new Disposable();
  },
  registerHook: (name, callback) => {
    hooks.push([name, callback]);
    return new Disposable();
  },
  log: () => undefined,

  /** For tests: the functions by name. */
  functions,
  /** For tests: what invocations said to the host's log, as [level, message]. */
  logged,
  /** For tests: the hooks of a name, one after the other, as the worker runs them. */
  async runHooks(name) {
    for (const [each, callback] of hooks) if (each === name) await callback({ hookData: {}, appHookData: {} });
  },
  /** For tests: one invocation, as the worker's InvocationRequestHandler makes it. */
  async invoke(name, data, traceContext) {
    const { metadata, callback } = functions.get(name);
    const [trigger] = Object.entries(metadata.bindings).find(([, { type }]) => type.endsWith('Trigger'));
    const invocation = model.getInvocationModel({
      invocationId: 'invocation-1',
      metadata,
      request: {
        invocationId: 'invocation-1',
        inputData: [{ name: trigger, data }],
        triggerMetadata: {},
        traceContext,
      },
      state: undefined,
      log: (level, _category, message) => logged.push([level, message]),
    });
    const { context, inputs } = await invocation.getArguments();
    const result = await invocation.invokeFunction(context, inputs, callback);
    return invocation.getResponse(context, result);
  },
};
