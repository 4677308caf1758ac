import { object, strings, text, type Json, type JsonObject } from '../../kubernetes/json.ts';
import { pathOf } from '../client.ts';
import { printTables } from '../print.ts';
import { TABLE, type VerbContext } from '../verb-context.ts';
import { named, type Target } from '../targets.ts';

/** `describe`: the whole object, and what happened to it. */
export async function describe(context: VerbContext, { resource, name }: Target): Promise<void> {
  const { client, out, yaml, namespace } = context;
  for (const each of await named(context, [{ resource, name }])) {
    const body = await client.json('GET', pathOf(resource, namespace, each.name));
    const metadata = object(body['metadata']);
    const pairs = (value: Json | undefined) =>
      Object.entries(strings(value))
        .map(([key, entry]) => `${key}=${entry}`)
        .join('\n              ') || '<none>';
    out(
      `Name:         ${each.name}\nNamespace:    ${text(metadata['namespace'])}\nLabels:       ${pairs(metadata['labels'])}\nAnnotations:  ${pairs(metadata['annotations'])}\n`,
    );
    for (const part of ['spec', 'status', 'data', 'type']) {
      // As kubectl does it: a secret's values are counted, not shown.
      const value = resource.name === 'secrets' && part === 'data' ? lengths(body[part]) : body[part];
      if (value !== undefined) out(`${part.charAt(0).toUpperCase()}${part.slice(1)}:\n${indent(yaml(value))}`);
    }
    const about = new URLSearchParams({ fieldSelector: `involvedObject.name=${each.name}` });
    const events = await client.json('GET', `/api/v1/namespaces/${namespace}/events?${about.toString()}`, {
      accept: TABLE,
    });
    const printed = printTables([{ title: 'event', body: events }], {
      wide: false,
      namespaces: false,
      headers: true,
    });
    out(`Events:${printed === '' ? '       <none>\n' : `\n${indent(printed)}`}\n`);
  }
}

const indent = (block: string): string => block.replace(/^(?=.)/gm, '  ');

const lengths = (data: Json | undefined): JsonObject =>
  Object.fromEntries(
    Object.entries(strings(data)).map(([key, value]) => [key, `${Buffer.from(value, 'base64').length} bytes`]),
  );
