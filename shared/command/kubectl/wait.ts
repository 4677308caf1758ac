import { durationMs } from '../grammar/values.ts';
import { refuse } from '../../lib/refuse.ts';
import { checked, fileInput, globalFlags, LOCAL, printing, refused, sent } from './flags.ts';
import { needTargets, readTargets } from './targets.ts';
import type { Call, Verb } from './verb.ts';

/** When the request says nothing: the longest time-out that a configuration may allow by default. */
const LONGEST_SECONDS = 3600;

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
    // What a query found is read one by one only where its being there is the question.
    const existence = call.flags('for').some((one) => /^(?:create|delete)$/iu.test(one));
    needTargets(call, targets, { named: verbs, query: existence ? verbs : ['list', 'watch'] });
    return { ...targets.sent, flags: { ...targets.sent.flags, ...clamped(call) } };
  },
};

/** A wait that outlives the command would be killed without a word; kubectl's own end tells what was waited for. */
function clamped(call: Call): Record<string, readonly string[]> {
  const given = call.flag('timeout');
  if (given === undefined) return {};
  const longest = call.request.timeoutSeconds ?? LONGEST_SECONDS;
  const wanted = durationMs(given) / 1000;
  if (wanted >= 0 && wanted <= longest) return {};
  call.warn(`--timeout=${given} was cut to the command's own ${longest} s`);
  return { timeout: [`${longest}s`] };
}
