import { refuse } from '../refuse.ts';
import { checked, fileInput, globalFlags, LOCAL, printing, refused, sent } from './flags.ts';
import { needTargets, readTargets } from './targets.ts';
import type { Call, Verb } from './verb.ts';

/** When the request says nothing: the longest time-out that a configuration may allow by default. */
const LONGEST_SECONDS = 3600;

const UNIT_SECONDS: Readonly<Record<string, number>> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };

/** A Go duration in seconds. The parser has checked its form. */
function seconds(duration: string): number {
  let total = 0;
  for (const [, number, unit] of duration.matchAll(/([0-9.]+)(ns|us|µs|ms|s|m|h)/gu)) {
    total += Number(number) * (UNIT_SECONDS[unit ?? ''] ?? 0);
  }
  return duration.startsWith('-') ? -total : total;
}

export const wait: Verb = {
  flags: {
    ...globalFlags,
    ...printing,
    ...fileInput,
    all: sent,
    'all-namespaces': sent,
    'field-selector': sent,
    for: checked((value) => {
      if (!/^(?:create|delete|condition=.+|jsonpath=.+)$/isu.test(value)) {
        throw refuse(`--for=${value}`, 'is none of create, delete, condition=… and jsonpath=…');
      }
    }),
    local: refused(LOCAL),
    selector: sent,
    timeout: sent,
  },
  means: (call) => {
    const targets = readTargets(call, { query: 'flags', fieldSelector: true });
    const verbs = ['get', 'list', 'watch'];
    needTargets(call, targets, { named: verbs, query: verbs });
    return { ...targets.sent, flags: { ...targets.sent.flags, ...clamped(call) } };
  },
};

/** A wait that outlives the command would be killed without a word; kubectl's own end tells what was waited for. */
function clamped(call: Call): Record<string, readonly string[]> {
  const given = call.flag('timeout');
  if (given === undefined) return {};
  const longest = call.request.timeoutSeconds ?? LONGEST_SECONDS;
  const wanted = seconds(given);
  if (wanted >= 0 && wanted <= longest) return {};
  call.warn(`--timeout=${given} was cut to the command's own ${longest} s`);
  return { timeout: [`${longest}s`] };
}
