import { dryRun, fileInput, globalFlags, NOT_TERMINAL, printing, RAW, refused, sent } from './flags.ts';
import { isSecret, needsOfDeletingSecret } from './secrets.ts';
import { readTargets } from './targets.ts';
import type { Verb } from './verb.ts';

/** How an object goes: for delete, and for what deletes on the way (apply --force, replace --force). */
export const deletion = { cascade: sent, force: sent, 'grace-period': sent, timeout: sent, wait: sent } as const;

/**
 * kubectl forgives a wait that is forbidden (k8s.io/kubectl/pkg/cmd/delete, "if errors.IsForbidden(err) … return nil"). The gateway
 * tells it not to wait instead, so that nothing is asked that was not allowed. Not when the caller wrote --wait: that is an order.
 */
const notWaiting = {
  flags: { wait: 'false' },
  warning:
    'Sent with --wait=false: you may delete this but not watch it go, so the end of the deletion is not waited for.',
} as const;

export const deleteVerb: Verb = {
  flags: {
    ...globalFlags,
    ...fileInput,
    ...dryRun,
    ...deletion,
    all: sent,
    'all-namespaces': sent,
    'field-selector': sent,
    'ignore-not-found': sent,
    interactive: refused(NOT_TERMINAL),
    now: sent,
    output: printing.output ?? sent,
    raw: refused(RAW),
    selector: sent,
  },
  means: (call) => {
    const targets = readTargets(call, { query: 'flags', fieldSelector: true });
    if (targets.kind === 'query') {
      // kubectl lists and deletes one by one. Its wait is forgiven when it is forbidden, so it needs nothing here.
      for (const type of targets.types) {
        call.needs.add(['list', 'delete'], type, { namespace: targets.namespace });
        if (isSecret(type)) needsOfDeletingSecret(call, { name: '', namespace: targets.namespace });
      }
      return targets.sent;
    }
    // Unless told otherwise kubectl waits until the object is gone: it gets and watches it.
    const verbs = call.flag('wait') === 'false' ? ['delete'] : ['delete', 'get', 'list', 'watch'];
    for (const { type, name, namespace } of targets.items) {
      call.needs.add(verbs, type, { name, namespace });
      if (isSecret(type)) needsOfDeletingSecret(call, { name, namespace });
    }
    return call.flag('wait') === undefined ? { ...targets.sent, lesser: notWaiting } : targets.sent;
  },
};
