import { at, isObject, list, stable, text, type Json } from '../../kubernetes/json.ts';
import { pathOf, ServerError } from '../client.ts';
import { printColumns, printTables, type Printed } from '../print.ts';
import { printTemplate } from '../template.ts';
import { query, TABLE, type VerbContext } from '../verb-context.ts';
import { targets, title, type Target } from '../targets.ts';

/** What the API server said of one target. */
type Answered = Printed & { readonly kind: string };

interface Format {
  readonly output: string;
  readonly accept: string;
  readonly template: string | undefined;
  /** Of `-o custom-columns=`. */
  readonly columns: string | undefined;
}

/** `get`; gives the exit code. */
export async function get(context: VerbContext): Promise<number> {
  const { client, out, err, label, namespace, on, flags, args } = context;
  const output = flags.get('output') ?? '';
  if (flags.has('raw')) {
    out(await client.request('GET', flags.get('raw') ?? '', { accept: '*/*' }));
    return 0;
  }
  const template = /^go-template=(.*)$/s.exec(output)?.[1];
  const columns = /^custom-columns=(.*)$/s.exec(output)?.[1];
  if (template === undefined && columns === undefined && !['', 'wide', 'json', 'yaml', 'name'].includes(output))
    throw new Error(`the ${label} does not know the output ${output}`);
  const wanted = await targets(client, args);
  const accept = output === '' || output === 'wide' ? TABLE : 'application/json';
  const answers: Answered[] = [];
  const failures: ServerError[] = [];
  for (const { resource, name } of wanted)
    try {
      answers.push({
        title: title(resource),
        kind: resource.kind,
        body: await client.json('GET', `${pathOf(resource, namespace, name)}${name === '' ? query(context) : ''}`, {
          accept,
        }),
      });
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      if (!(on('ignore-not-found') && error.status === 404)) failures.push(error);
    }
  // Of several kinds kubectl prints those that it got, and then what went wrong with the others.
  if (answers.length > 0 || failures.length === 0)
    print(context, wanted, answers, { output, accept, template, columns });
  for (const { message } of failures) err(`${message}\n`);
  return failures.length > 0 ? 1 : 0;
}

function print(
  { out, err, yaml, namespace, on }: VerbContext,
  wanted: readonly Target[],
  answers: readonly Answered[],
  { output, accept, template, columns }: Format,
): void {
  if (accept === TABLE) {
    const printed = printTables(answers, {
      wide: output === 'wide',
      namespaces: namespace === '',
      headers: !on('no-headers'),
    });
    if (printed === '' && !on('ignore-not-found'))
      err(`No resources found${namespace === '' ? '' : ` in ${namespace} namespace`}.\n`);
    else out(printed);
    return;
  }
  const lists = wanted.some(({ name }) => name === '') || answers.length > 1;
  const items = answers.flatMap(({ body, title, kind }) =>
    'items' in body ? list(body['items']).map((item) => ({ item, title, kind })) : [{ item: body, title, kind }],
  );
  if (output === 'name') {
    for (const { item, title } of items) out(`${title}/${text(at(item, 'metadata', 'name'))}\n`);
    return;
  }
  if (columns !== undefined) {
    const objects = items.map(({ item }) => item);
    out(printColumns(columns, objects, { headers: !on('no-headers') }));
    return;
  }
  if (template !== undefined) {
    const whole = items.map(({ item, kind }) => (isObject(item) ? { kind, ...item } : item));
    out(printTemplate(template, lists ? { items: whole } : (whole[0] ?? {})));
    return;
  }
  if (items.length === 0 && !lists) return;
  const whole: Json = lists
    ? { apiVersion: 'v1', items: items.map(({ item }) => item), kind: 'List', metadata: { resourceVersion: '' } }
    : (items[0]?.item ?? {});
  const ordered: unknown = JSON.parse(stable(whole));
  out(output === 'json' ? `${JSON.stringify(ordered, undefined, 4)}\n` : yaml(ordered));
}
