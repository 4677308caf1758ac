import { refuse } from '../../lib/refuse.ts';
import { checked, fileInput, globalFlags, LOCAL, printing, refused, sent } from './flags.ts';
import { needTargets, readTargets } from './targets.ts';
import type { Verb } from './verb.ts';

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
        throw refuse(`--for=${value}`, 'is not one of create, delete, condition=… and jsonpath=…');
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
    return targets.sent;
  },
};
