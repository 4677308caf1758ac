import { checkName } from '../names.ts';
import { createFindings, noPods, podSecurityOf } from '../pod-security/findings.ts';
import { judgeObject } from '../pod-security/pod-security.ts';
import type { PodSecurity } from '../invocation.ts';
import { refuse } from '../../lib/refuse.ts';
import {
  checked,
  dryRun,
  fieldManager,
  globalFlags,
  NO_USE,
  printing,
  printsObject,
  refused,
  sent,
  terminal,
} from './flags.ts';
import { isAttached, isDryRun, runToEnd, unattached } from './run-to-end.ts';
import { container } from './logs.ts';
import { readTargets } from './targets.ts';
import type { Call, Meaning, Verb } from './verb.ts';

const WATCHES = 'keeps a connection to the container; create the pod and read its logs';
const OVERRIDES = 'can make any object of it; give a manifest with kubectl apply -f';

export const run: Verb = {
  flags: {
    ...globalFlags,
    ...printing,
    ...dryRun,
    ...fieldManager,
    annotations: sent,
    attach: sent,
    cascade: refused(NO_USE),
    command: sent,
    'detach-keys': terminal['detach-keys'],
    env: sent,
    expose: sent,
    filename: refused(NO_USE),
    force: refused(NO_USE),
    'grace-period': refused(NO_USE),
    image: sent,
    'image-pull-policy': sent,
    labels: sent,
    'leave-stdin-open': refused(WATCHES),
    'override-type': refused(OVERRIDES),
    overrides: refused(OVERRIDES),
    'pod-running-timeout': sent,
    port: sent,
    privileged: sent,
    quiet: sent,
    recursive: refused(NO_USE),
    restart: sent,
    rm: sent,
    'save-config': sent,
    stdin: sent,
    timeout: refused(NO_USE),
    tty: sent,
    wait: refused(NO_USE),
  },
  means: (call) => {
    const { needs, catalog, namespace } = call;
    const [word, ...rest] = call.parsed.args;
    if (word === undefined || call.parsed.dash === 0) throw refuse('run', 'needs a name for the pod');
    const pods = catalog.builtIn('pods');
    const name = checkName(pods, word);
    needs.add(printsObject(call) ? ['create', 'get'] : 'create', pods, { name, namespace });
    if (call.on('expose')) needs.add('create', catalog.builtIn('services'), { name, namespace });
    const tail = rest.length > 0 ? rest : undefined;
    const meaning = { args: [name], tail, podSecurity: podOf(call), secret: call.flags('env').length > 0 };
    if (!isAttached(call)) return meaning;
    return isDryRun(call) ? { ...meaning, flags: unattached } : { ...meaning, ...runToEnd(call, name, rest) };
  },
};

/** The pod that kubectl makes: one container, and nothing said of its rights but --privileged. */
function podOf(call: Call): PodSecurity {
  const pod = createFindings();
  const annotations = Object.fromEntries(call.flags('annotations').map(splitPair));
  const securityContext = { privileged: call.on('privileged') };
  judgeObject(pod, call.catalog.builtIn('pods'), {
    metadata: { annotations },
    spec: { containers: [{ securityContext }] },
  });
  return podSecurityOf(pod);
}

/** `--annotations=key=value`. */
function splitPair(pair: string): [key: string, value: string] {
  const equals = pair.indexOf('=');
  return equals === -1 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
}

/** Debugging profiles that add no capability and no privilege (kubectl's profiles.go). None given is `baseline` (defaults.ts). */
const plainProfiles = new Set(['legacy', 'baseline', 'restricted']);
const profiles = new Set([...plainProfiles, 'general', 'netadmin', 'sysadmin']);

export const debug: Verb = {
  flags: {
    ...globalFlags,
    'arguments-only': sent,
    attach: sent,
    container,
    'copy-to': sent,
    custom: refused(OVERRIDES),
    env: sent,
    filename: refused('name the pod instead'),
    image: sent,
    'image-pull-policy': sent,
    'keep-annotations': sent,
    'keep-init-containers': sent,
    'keep-labels': sent,
    'keep-liveness': sent,
    'keep-readiness': sent,
    'keep-startup': sent,
    profile: checked((value) => {
      if (!profiles.has(value)) throw refuse(`--profile=${value}`, `is not one of ${[...profiles].join(', ')}`);
    }),
    quiet: sent,
    replace: sent,
    'same-node': sent,
    'set-image': sent,
    'share-processes': sent,
    stdin: sent,
    target: container,
    tty: sent,
  },
  means: (call) => {
    const { args, dash } = call.parsed;
    const pods = call.catalog.builtIn('pods');
    const names = dash === undefined ? args : args.slice(0, dash);
    const targets = readTargets(call, { query: 'none', bareType: pods, args: names, selecting: [] });
    if (targets.kind !== 'named') throw refuse('debug', 'needs a pod');
    for (const { type, name } of targets.items) {
      if (type !== pods) {
        throw refuse(
          `${type.resource}/${name}`,
          'only pods are debugged; on a node it would be a pod with the whole host',
        );
      }
    }
    const tail = dash === undefined ? undefined : args.slice(dash);
    if (attaching.some(call.on)) {
      if (tail === undefined && !call.parsed.flags.has('set-image'))
        throw refuse('debug', "there is no terminal to debug from: give the command, -- sh -c '…'");
      call.warn('There is no terminal here: nothing is attached. kubectl logs POD -c CONTAINER shows what is printed.');
    }
    return {
      args: targets.sent.args,
      tail,
      flags: Object.fromEntries(attaching.map((name) => [name, []])),
      ...debugMeaning(
        call,
        targets.items.map(({ name }) => name),
      ),
    };
  },
};

const attaching = ['attach', 'stdin', 'tty'] as const;

function debugMeaning(call: Call, names: readonly string[]): Partial<Meaning> {
  const { needs, namespace } = call;
  const pods = call.catalog.builtIn('pods');
  const copy = call.flag('copy-to') ?? '';
  const profile = call.flag('profile');
  const plain = profile === undefined || plainProfiles.has(profile);
  const podSecurity: PodSecurity = {
    ...noPods,
    beyondBaseline: plain ? [] : [`the debugging profile ${profile}`],
    beyondRestricted: profile === 'restricted' ? [] : ['a debugging profile other than restricted'],
  };
  for (const name of names) needs.add('get', pods, { name, namespace });
  const secret = call.flags('env').length > 0;
  if (copy === '') {
    for (const name of names) needs.add('patch', pods, { name, namespace, subresource: 'ephemeralcontainers' });
    return { podSecurity, secret };
  }
  needs.add('create', pods, { name: checkName(pods, copy), namespace });
  if (call.on('replace')) for (const name of names) needs.add('delete', pods, { name, namespace });
  // Nobody has judged the pod that is copied: it may have any account, and any of the host's folders.
  const beyondBaseline = [...podSecurity.beyondBaseline, 'a copy of a pod, with its service account and volumes'];
  return { podSecurity: { ...podSecurity, beyondBaseline, serviceAccounts: [''] }, secret };
}
