import type { Call, Verb } from './verb.ts';

/**
 * Defaults of kubectl that carry meaning. They are spelt out in what is sent, since the tool in AKS' pod is not the newest, and another version
 * may have others: a bare `debug` means the profile `legacy` up to kubectl 1.35 and `general`, with the right to trace processes, from 1.36 on.
 * Read from the help of kubectl 1.27 to 1.37.
 */
type Default = (call: Call, verb: string) => string | undefined;

const deletes = ({ on }: Call, verb: string): boolean => verb === 'delete' || on('force');

const defaults: Readonly<Record<string, Default>> = {
  /** Only where something is deleted: elsewhere kubectl refuses the flags of deletion. */
  cascade: (call, verb) => (deletes(call, verb) ? 'background' : undefined),
  /** The writer in managedFields, on which conflicts of server-side apply depend (kubectl's apply.go, GetApplyFieldManagerFlag). */
  'field-manager': ({ on }, verb) => {
    if (verb !== 'apply' && verb !== 'diff') return `kubectl-${verb}`;
    return on('server-side') ? 'kubectl' : 'kubectl-client-side-apply';
  },
  /** Adds no capability in any version. `legacy`, the old default, is to go in 1.39. */
  profile: () => 'baseline',
  /** A field that the API server does not know is an error. */
  validate: () => 'strict',
};

const all = Object.entries(defaults);

/** Flags that the caller left out and that go out anyway: those of `defaults` that the verb relays. */
export function spellOut({ flags }: Verb, call: Call): readonly (readonly [name: string, value: string])[] {
  const { parsed } = call;
  const [verb = ''] = parsed.path;
  const spelt: [name: string, value: string][] = [];
  for (const [name, defaultOf] of all) {
    if (flags[name]?.kind !== 'sent' || parsed.flags.has(name)) continue;
    const value = defaultOf(call, verb);
    if (value !== undefined) spelt.push([name, value]);
  }
  return spelt;
}
