import { isList, isObject, writeJson, type Json } from '../json.ts';
import { readJsonPatch } from '../json-patch.ts';
import { createFindings, podSecurityOf } from '../pod-security/findings.ts';
import { judgePatch } from '../pod-security/pod-security.ts';
import { refuse } from '../../lib/refuse.ts';
import { decodeText, readYaml } from '../yaml.ts';
import { checked, dryRun, fieldManager, fileInput, globalFlags, LOCAL, printing, refused, sent } from './flags.ts';
import { subresource } from './get.ts';
import { needsOfChange } from './objects.ts';
import { isSecret, unknownMetadata } from './secrets.ts';
import { needTargets, readTargets } from './targets.ts';
import type { Call, Meaning, Verb } from './verb.ts';

const types = ['strategic', 'merge', 'json'];

export const patch: Verb = {
  flags: {
    ...globalFlags,
    ...printing,
    ...fileInput,
    ...dryRun,
    ...fieldManager,
    local: refused(LOCAL),
    patch: sent,
    'patch-file': sent,
    subresource,
    type: checked((value) => {
      if (!types.includes(value)) throw refuse(`--type=${value}`, `is not one of ${types.join(', ')}`);
    }),
  },
  means: (call) => {
    const targets = readTargets(call, { query: 'none' });
    if (targets.kind !== 'named') throw refuse('patch', 'needs the name of an object');
    const { content, flags, files } = readPatch(call);
    const pods = createFindings();
    needTargets(call, targets, { named: ['get', 'patch'], query: [], subresource: call.flag('subresource') });
    let secret = false;
    for (const target of targets.items) {
      needsOfChange(call, target, partsOf(content));
      judgePatch(pods, target.type, content);
      secret ||= isSecret(target.type);
    }
    return {
      ...targets.sent,
      flags: { ...targets.sent.flags, ...flags },
      files: [...(targets.sent.files ?? []), ...files],
      podSecurity: podSecurityOf(pods),
      secret,
    };
  },
};

/** What the patch brings, as parts of the object. What it copies to within the metadata may be anything. */
function partsOf(patch: Json): readonly Json[] {
  if (!isList(patch)) return [patch];
  return readJsonPatch(patch).flatMap((part) => {
    if (part.kind === 'adds') return [part.part];
    const [first = 'metadata'] = part.path;
    return part.kind === 'unknown' && first === 'metadata' ? [unknownMetadata] : [];
  });
}

interface ReadPatch {
  readonly content: Json;
  readonly flags: NonNullable<Meaning['flags']>;
  readonly files: NonNullable<Meaning['files']>;
}

/** The patch as kubectl would read it (YAML or JSON), judged and rewritten. */
function readPatch(call: Call): ReadPatch {
  const inline = call.flag('patch') ?? '';
  const path = call.flag('patch-file') ?? '';
  if ((inline === '') === (path === '')) throw refuse('patch', 'needs either -p or --patch-file');
  if (path === '') {
    const content = onlyDocument('--patch', inline, call);
    return { content, flags: { patch: [writeJson(content)] }, files: [] };
  }
  const file = call.uploads.find(path);
  const content = onlyDocument(file.path, decodeText(file.path, file.bytes), call);
  return {
    content,
    flags: { 'patch-file': [file.path] },
    files: [{ path: file.path, bytes: new TextEncoder().encode(writeJson(content)) }],
  };
}

function onlyDocument(name: string, text: string, call: Call): Json {
  const [content, surplus] = readYaml({ name, text, budget: call.yamlBudget });
  if (content === undefined || surplus !== undefined) throw refuse(name, 'has to hold one patch');
  const list = (call.flag('type') ?? 'strategic') === 'json';
  if (list !== Array.isArray(content) || (!list && !isObject(content))) {
    throw refuse(name, list ? 'a JSON patch is a list of operations' : 'a patch of this type is an object');
  }
  return content;
}
