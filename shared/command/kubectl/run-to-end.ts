import type { Program } from '../invocation.ts';
import { RUN_ID, sh } from '../program.ts';
import { refuse } from '../../lib/refuse.ts';
import { durationMs } from '../grammar/values.ts';
import { toolSeconds } from '../time-limits.ts';
import { isBareShell } from './container.ts';
import type { Call, Meaning } from './verb.ts';

/**
 * `run --rm -i … -- CMD`: kubectl would attach to the container, and there is nobody to attach. So the pod is made, its log is read until it has
 * ended, its exit code is given, and with --rm it is deleted: by its name and by a label that no other command has, so that the pod of
 * somebody else which has the same name is left alone. On TERM too.
 */
export function runToEnd(call: Call, name: string, command: readonly string[]): Partial<Meaning> {
  check(call, command);
  call.warn('There is no terminal here: the pod is run to its end, and what it printed is shown.');
  const { needs, catalog, namespace } = call;
  const pods = catalog.builtIn('pods');
  needs.add('get', pods, { namespace, name });
  needs.add('get', pods, { namespace, name, subresource: 'log' });
  if (call.on('rm')) needs.add(['list', 'delete'], pods, { namespace, name });
  const given = call.flag('labels') ?? '';
  const plan: Plan = {
    name,
    namespace,
    labels: given === '' ? `run=${name}` : given,
    deletes: call.on('rm'),
    quiet: call.on('quiet'),
    seconds: startSeconds(call),
  };
  const flags = { ...unattached, labels: [], quiet: [], 'pod-running-timeout': [], restart: ['Never'] };
  return { flags, program: (words) => programOf(words, plan) };
}

const attaching = ['attach', 'stdin', 'tty', 'rm', 'leave-stdin-open'] as const;

/** Without what makes kubectl wait for the container. */
export const unattached: NonNullable<Meaning['flags']> = Object.fromEntries(attaching.map((name) => [name, []]));

export const isAttached = ({ on }: Call): boolean => attaching.some(on);
export const isDryRun = ({ flag }: Call): boolean => !['none', undefined].includes(flag('dry-run'));

function check(call: Call, command: readonly string[]): void {
  if (call.on('expose')) throw refuse('--expose', 'makes a service that would outlive the pod');
  if ((call.flag('output') ?? '') !== '') throw refuse('--output', 'what the pod prints is the output');
  const restart = call.flag('restart') ?? 'Never';
  if (restart !== 'Never') throw refuse(`--restart=${restart}`, 'a pod that is run to its end has --restart=Never');
  if (isBareShell(command) || (command.length === 0 && call.on('tty')))
    throw refuse('--tty', "there is no terminal to type into: give the command, -- sh -c '…'");
}

/** How long the pod may take to start: what kubectl waits, within the command's own time. */
function startSeconds(call: Call): number {
  const given = call.flag('pod-running-timeout');
  const seconds = given === undefined ? 60 : Math.ceil(durationMs(given) / 1000);
  return Math.max(1, Math.min(seconds, toolSeconds(call.request.timeoutSeconds)));
}

interface Plan {
  readonly name: string;
  readonly namespace: string;
  readonly labels: string;
  readonly deletes: boolean;
  readonly quiet: boolean;
  readonly seconds: number;
}

const LABEL = 'aksgw/run';

function programOf(words: readonly string[], plan: Plan): Program {
  const { name, namespace, labels, seconds } = plan;
  const dash = words.indexOf('--');
  const [head, tail] = dash === -1 ? [words, []] : [words.slice(0, dash), words.slice(dash)];
  const make = [...head, `--labels=${labels},${LABEL}=`];
  const of = (verb: string, ...flags: string[]) => [
    'kubectl',
    verb,
    `pods.v1./${name}`,
    ...flags,
    `--namespace=${namespace}`,
  ];
  const state = of('get', '--output=jsonpath={.status.phase} {.status.containerStatuses[0].state.waiting.reason}');
  const code = of('get', '--output=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}');
  return [
    ...sh`[ -n "$\{${RUN_ID}-}" ] || exit 1; p=; s=; `,
    ...(plan.deletes ? deletion(plan) : []),
    ...sh`trap '[ -z "$p" ] || kill "$p"; exit 143' TERM INT HUP; `,
    ...sh`${make}"$${RUN_ID}" ${tail} >/dev/null || exit; `,
    // Until it has started: a container that waits has no log.
    ...sh`i=0; while :; do s=$(${state}) || exit; case $s in Running*|Succeeded*|Failed*) break;; `,
    ...sh`*ErrImage*|*ImagePull*|*InvalidImageName|*Create*Error|*RunContainerError) i=${String(seconds)};; esac; `,
    ...sh`[ "$i" -lt ${String(seconds)} ] || { printf '%s\\n' "The pod did not start: $s" >&2; exit 1; }; i=$((i+1)); sleep 1; done; `,
    ...sh`${of('logs', '--follow=true')} & p=$!; wait "$p"; p=; `,
    ...sh`i=0; while :; do s=$(${code}) || exit 1; [ -z "$s" ] || exit "$s"; [ "$i" -lt 5 ] || exit 1; i=$((i+1)); sleep 1; done`,
  ];
}

/** When the program ends, however it does: of the pods with this name those that this command made. */
function deletion({ name, namespace, quiet }: Plan): Program {
  const remove = [
    'kubectl',
    'delete',
    'pods.v1.',
    `--field-selector=metadata.name=${name}`,
    '--cascade=background',
    '--wait=false',
    '--request-timeout=8s',
    `--namespace=${namespace}`,
    `--selector=${LABEL}=`,
  ];
  return sh`end() { trap '' TERM INT HUP; ${remove}"$${RUN_ID}" 2>/dev/null ${quiet ? '>/dev/null ' : ''}|| printf '%s\\n' "The pod was not deleted; do it with kubectl delete pod." >&2; }; trap end EXIT; `;
}
