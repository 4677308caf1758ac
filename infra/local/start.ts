import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { people, startStack } from './stack.ts';

/** The demo's stack, staying up: `npm start`, `npm start -- --kubeconfig ~/.kube/config`. */
const values = readOptions();
const port = Number(values.port);
const root = join(import.meta.dirname, '../..');
const stack = await startStack({
  folder: join(root, 'data/local'),
  ports: { entra: port === 7071 ? 7081 : 0, arm: port === 7071 ? 7082 : 0, gateway: port },
  ...(values.kubeconfig !== undefined && { kubeconfig: values.kubeconfig }),
  gateway: { logger: { level: 'warn' } },
}).catch((error: unknown) => {
  const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
  const way = isTaken ? '; --port PORT moves it' : '';
  console.error(`it did not start: ${error instanceof Error ? error.message : String(error)}${way}`);
  process.exit(1);
});
const { azure, url, config } = stack;
const lifetime = { exp: Math.floor(Date.now() / 1000) + 8 * 3600 };
const user = await azure.entra.userToken({ oid: people.user, groups: [people.team], ...lifetime });
const auditor = await azure.entra.userToken({ oid: people.auditor, ...lifetime });

console.log(`
The gateway listens on ${url}   API: ${url}/docs
Entra and Azure are emulated; ${values.kubeconfig === undefined ? 'the cluster is in memory.' : `commands run on the cluster of ${values.kubeconfig}.`}   Configuration and data: ${join(config, '..')}

Paste this (the token is good for eight hours, here only):

  export AKSGW_URL=${url} AKSGW_CLUSTER=demo
  export AKSGW_TOKEN=${user}

  curl -s -H "Authorization: Bearer $AKSGW_TOKEN" -H 'Content-Type: application/json' \\
       -d '{"command": "kubectl get pods"}' $AKSGW_URL/v1/clusters/demo/commands

  npx aksgw kubectl get deployments
  npx aksgw kubectl delete pod nope -n kube-system        # denied, and why

As the auditor:

  curl -s -H "Authorization: Bearer ${auditor}" \\
       "$AKSGW_URL/v1/audit/events?limit=5"
  npx aksgw audit verify --config ${config}

Ctrl-C stops it.
`);

const stop = (): void => {
  void stack.close().then(() => process.exit(0));
};
process.once('SIGINT', stop);
process.once('SIGTERM', stop);

function readOptions(): { readonly kubeconfig?: string; readonly port: string } {
  try {
    return parseArgs({ options: { kubeconfig: { type: 'string' }, port: { type: 'string', default: '7071' } } }).values;
  } catch (error) {
    console.error(
      `${error instanceof Error ? error.message : String(error)}\nit takes --port PORT and --kubeconfig FILE`,
    );
    process.exit(2);
  }
}
