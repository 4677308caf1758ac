import { dryRun, fileInput, globalFlags, printing, sent } from './flags.ts';
import { needTargets, readTargets } from './targets.ts';
import type { Verb } from './verb.ts';

/** The annotation that client-side apply leaves: reading it is reading the object, setting it is patching it. */
export const lastAppliedVerbs: Readonly<Record<string, Verb>> = {
  'apply view-last-applied': {
    flags: { ...globalFlags, ...fileInput, all: sent, output: printing.output ?? sent, selector: sent },
    means: (call) => {
      const targets = readTargets(call, { query: 'flags' });
      needTargets(call, targets, { named: ['get'], query: ['list'] });
      return targets.sent;
    },
  },
  'apply set-last-applied': {
    flags: { ...globalFlags, ...printing, ...dryRun, 'create-annotation': sent, filename: sent },
    means: (call) => {
      const targets = readTargets(call, { query: 'none' });
      needTargets(call, targets, { named: ['get', 'patch'], query: [] });
      return targets.sent;
    },
  },
};
