import { interpret } from '../../shared/command/interpret.ts';
import type { CommandRequest, RequestFile } from '../../shared/command/invocation.ts';
import { parse } from '../../shared/command/parse.ts';
import { quoteWords } from '../../shared/command/quote.ts';
import { splitWords } from '../../shared/command/words.ts';

/**
 * What it costs to understand a command, on one core: from its words to attributes and the text that is sent. Prints one JSON object;
 * `node test/bench/command.ts`.
 */
const context = { defaultNamespace: 'shop', resources: [] };

const commands: Readonly<Record<string, string>> = {
  'get of one kind': 'kubectl get pods -n shop -o wide',
  'get of several kinds, long flags': 'kubectl get deploy,svc,cm --namespace=shop --selector=app=web --output=json',
  'rollout restart': 'kubectl rollout restart deployment/web -n shop',
  'helm status': 'helm status web -n shop',
};

const file = (path: string, text: string): RequestFile => ({ path, bytes: new TextEncoder().encode(text) });

/** The process's own CPU time in milliseconds: other work on the machine does not count. */
function cpuMs(count: number, run: () => void): number {
  const start = process.cpuUsage();
  for (let index = 0; index < count; index++) run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000 / count;
}

function measure(run: () => void): { readonly microseconds: number; readonly perSecond: number } {
  cpuMs(20_000, run);
  const ms = cpuMs(100_000, run);
  return { microseconds: Number((ms * 1000).toFixed(2)), perSecond: Math.round(1000 / ms) };
}

const small = Object.fromEntries(
  Object.entries(commands).map(([name, line]) => {
    const argv = splitWords(line);
    const request: CommandRequest = { argv, files: [] };
    const { words } = interpret(request, context).sent;
    return [
      name,
      {
        split: measure(() => splitWords(line)),
        parse: measure(() => parse(argv)),
        interpret: measure(() => interpret(request, context)),
        quote: measure(() => quoteWords(words)),
      },
    ];
  }),
);

const configMap = (index: number): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings-${index}\n  labels: {app: web}\ndata:\n${Array.from({ length: 20 }, (_none, key) => `  key-${key}: value ${key} of a setting that is about as long as they are\n`).join('')}`;
const documents = Array.from({ length: 750 }, (_none, index) => configMap(index));
const manifest = documents.join('---\n');
const apply: CommandRequest = { argv: ['kubectl', 'apply', '-f', 'all.yaml'], files: [file('all.yaml', manifest)] };

const chartFiles = [
  file('web/Chart.yaml', 'apiVersion: v2\nname: web\nversion: 1.0.0\n'),
  ...Array.from({ length: 100 }, (_none, index) => file(`web/templates/${index}.yaml`, configMap(index))),
];
const install: CommandRequest = { argv: ['helm', 'install', 'web', './web'], files: chartFiles };

const large = (request: CommandRequest): { readonly bytes: number; readonly milliseconds: number } => {
  cpuMs(3, () => interpret(request, context));
  return {
    bytes: request.files.reduce((sum, { bytes }) => sum + bytes.byteLength, 0),
    milliseconds: Number(cpuMs(5, () => interpret(request, context)).toFixed(1)),
  };
};

const result = {
  bench: 'command',
  ...small,
  'apply of a large manifest': large(apply),
  'install of a chart of 100 templates': large(install),
};
process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
