import { refuse } from '../../lib/refuse.ts';
import type { Call, FlagRule, FlagTable, Send } from './verb.ts';

/** Understood: goes out as it was parsed, unless the verb's meaning changes it. */
export const sent: FlagRule = { kind: 'sent' };
/** Understood when its value passes. */
export const checked = (check: (value: string, call: Call, flag: string) => void): FlagRule =>
  rewritten((value, call, flag) => {
    check(value, call, flag);
    return value;
  });
/** Goes out as the value that it is understood as. */
export const rewritten = (send: Send): FlagRule => ({ kind: 'sent', send });
export const refused = (why: string): FlagRule => ({ kind: 'refused', why });
const dropped = (warning: string): FlagRule => ({ kind: 'dropped', warning });

/** kubectl's global flags, as far as the parser lets them through (grammar/refused-flags.ts refuses the others for every command). */
export const globalFlags: FlagTable = {
  namespace: sent,
  'request-timeout': sent,
  'warnings-as-errors': sent,
  'disable-compression': sent,
  // From 6 on kubectl prints headers and bodies, tokens and secrets among them (measured).
  v: checked((value) => {
    if (!/^[0-5]$/u.test(value))
      throw refuse(`-v=${value}`, 'a level over 5 prints request headers and bodies, so at most 5 is relayed');
  }),
  'match-server-version': refused('fails whenever the cluster was upgraded and the pod of run command was not'),
};

// -o FORMAT or -o FORMAT=TEXT. The `-file` forms read a file: an uploaded one, under its checked name.
const textFormats = new Set(['jsonpath', 'jsonpath-as-json', 'go-template', 'template', 'custom-columns']);
const fileFormats = new Set(['jsonpath-file', 'go-template-file', 'templatefile', 'custom-columns-file']);

const plainFormats = ['json', 'yaml', 'name', 'wide'] as const;

/** True when what kubectl prints is the object and not only its name. */
export function printsObject(call: Call): boolean {
  const output = call.flag('output') ?? '';
  // --template alone is a Go template too.
  return output === '' ? (call.flag('template') ?? '') !== '' : output !== 'name';
}

/** `-o` as it is sent: plain formats, and templates given on the command line or as an uploaded file. */
export function readOutput(value: string, call: Call): string {
  if (value === '' || (plainFormats as readonly string[]).includes(value)) return value;
  const equals = value.indexOf('=');
  const format = equals === -1 ? value : value.slice(0, equals);
  if (textFormats.has(format)) return value;
  if (!fileFormats.has(format)) throw refuse(`-o ${value}`, 'is not an output format that kubectl has');
  if (equals === -1) throw refuse(`-o ${value}`, `give the uploaded file as -o ${format}=PATH`);
  return `${format}=${call.uploads.use(value.slice(equals + 1)).path}`;
}

/** What every verb that prints objects takes. */
export const printing: FlagTable = {
  output: rewritten(readOutput),
  // With `-o go-template-file` --template would name a file; that format has its own spelling above.
  template: sent,
  'allow-missing-template-keys': sent,
  'show-managed-fields': sent,
};

/** -f and what goes with it: the files are read, judged and written again (targets.ts, manifests.ts). */
export const fileInput: FlagTable = { filename: sent, recursive: sent };

/** Kept: never narrows what is needed. */
export const dryRun: FlagTable = { 'dry-run': sent };

/** Names the writer in managedFields; kubectl checks its form. */
export const fieldManager: FlagTable = { 'field-manager': sent };

export const RAW = 'a raw request walks past kinds and namespaces, on which policy decides';
/** For flags of kubectl that are there for another use of the verb. */
export const NO_USE = 'has no use here';
export const NOT_TERMINAL = 'needs a terminal, and run command has none';
/** -t and what goes with it. */
export const terminal = {
  tty: dropped('There is no terminal here: --tty was left out.'),
  'detach-keys': dropped('There is no terminal here: --detach-keys was left out.'),
} as const satisfies FlagTable;
export const LOCAL = 'asks the cluster nothing; run kubectl yourself';
