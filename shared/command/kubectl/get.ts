import { refuse } from '../../lib/refuse.ts';
import { readPath } from './raw.ts';
import { checked, fileInput, globalFlags, printing, sent } from './flags.ts';
import { readTargets, type Targets } from './targets.ts';
import type { Call, Verb } from './verb.ts';

const SUBRESOURCES = new Set(['status', 'scale', 'resize']);

/** `--subresource` enters the attribute, so only those whose meaning is known. */
export const subresource = checked((value) => {
  if (value !== '' && !SUBRESOURCES.has(value)) {
    throw refuse(`--subresource=${value}`, 'only status, scale and resize are relayed');
  }
});

export const get: Verb = {
  flags: {
    ...globalFlags,
    ...printing,
    ...fileInput,
    'all-namespaces': sent,
    'chunk-size': sent,
    'field-selector': sent,
    'ignore-not-found': sent,
    'label-columns': sent,
    'no-headers': sent,
    'output-watch-events': sent,
    raw: sent,
    selector: sent,
    'server-print': sent,
    'show-kind': sent,
    'show-labels': sent,
    'sort-by': sent,
    subresource,
    watch: sent,
    'watch-only': sent,
  },
  means: (call) => {
    if (call.parsed.flags.has('raw')) return readPath(call);
    const targets = readTargets(call, { query: 'free', fieldSelector: true });
    needToRead(call, targets, call.flag('subresource') ?? '');
    return targets.sent;
  },
};

function needToRead(call: Call, targets: Targets, subresource: string): void {
  const watch = call.on('watch') || call.on('watch-only');
  if (targets.kind === 'named') {
    if (watch && targets.items.length > 1) throw refuse('--watch', 'one object or one type can be watched');
    for (const { type, name, namespace } of targets.items) {
      call.needs.add('get', type, { name, namespace, subresource });
      if (watch) call.needs.add('watch', type, { name, namespace, subresource });
    }
    return;
  }
  if (subresource !== '') throw refuse(`--subresource=${subresource}`, 'needs the name of an object');
  if (watch && targets.types.length > 1) throw refuse('--watch', 'one object or one type can be watched');
  for (const type of targets.types) {
    call.needs.add(watch ? ['list', 'watch'] : 'list', type, { namespace: targets.namespace });
  }
}
