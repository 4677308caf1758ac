import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { TERRAFORM, terraformFiles } from '../check/modules.ts';
import {
  readRecorded,
  SCHEMAS,
  type BlockSchema,
  type ProviderSchema,
  type RecordedProvider,
  type RecordedValues,
} from '../check/recorded.ts';

/**
 * Records what the modules use of the providers' schemas. Where Terraform's registry is reached:
 *
 *     node infra/terraform/schemas/record.ts azurerm=5.2.0 azuread=3.9.0 azapi=2.12.0
 *
 * The values (enums, ranges, kinds of id) are in no schema. They were found by giving the real providers a wrong value for each
 * attribute and keeping their sentences of refusal; those of resources that are used already are kept. `--from FOLDER` takes
 * whole recordings (`<name>-<version>.schema.json`, `….values.json`) instead of asking Terraform.
 */
const { values, positionals } = parseArgs({ allowPositionals: true, options: { from: { type: 'string' } } });

const used = usedTypes();
for (const provider of values.from === undefined ? askTerraform(positionals) : readRecorded(values.from)) {
  write(`${provider.name}-${provider.version}.schema.json`, cutSchema(provider.schema));
  const recorded = keep(provider.values, used.resources);
  if (Object.keys(recorded).length > 0) write(`${provider.name}-${provider.version}.values.json`, recorded);
}

function usedTypes(): { readonly resources: ReadonlySet<string>; readonly data: ReadonlySet<string> } {
  const text = terraformFiles()
    .map((file) => readFileSync(join(TERRAFORM, file), 'utf8'))
    .join('\n');
  const types = (keyword: string): ReadonlySet<string> =>
    new Set([...text.matchAll(new RegExp(`^${keyword} "([a-z0-9_]+)"`, 'gm'))].map(([, type = '']) => type));
  return { resources: types('resource'), data: types('data') };
}

function askTerraform(versions: readonly string[]): readonly RecordedProvider[] {
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-record-'));
  try {
    const wanted = versions.map((version) => version.split('=') as [string, string]);
    const sources: Readonly<Record<string, string>> = { azapi: 'Azure/azapi' };
    const blocks = wanted.map(
      ([name, version]) =>
        `    ${name} = { source = "${sources[name] ?? `hashicorp/${name}`}", version = "${version}" }`,
    );
    writeFileSync(join(folder, 'main.tf'), `terraform {\n  required_providers {\n${blocks.join('\n')}\n  }\n}\n`);
    const terraform = (...args: readonly string[]): string =>
      execFileSync('terraform', args, { cwd: folder, encoding: 'utf8', maxBuffer: 512 * 1024 * 1024 });
    terraform('init', '-input=false');
    const printed = JSON.parse(terraform('providers', 'schema', '-json')) as {
      readonly provider_schemas: Readonly<Record<string, Omit<ProviderSchema, 'source'>>>;
    };
    const before = readRecorded();
    return wanted.map(([name, version]) => {
      const [address, schema] =
        Object.entries(printed.provider_schemas).find(([key]) => key.endsWith(`/${name}`)) ?? [];
      if (address === undefined || !schema) throw new Error(`terraform printed no schema of ${name}`);
      const source = `terraform providers schema -json, ${address} ${version}`;
      const values = before.find((provider) => provider.name === name)?.values ?? {};
      return { name, version, address, schema: { ...schema, source }, values };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function cutSchema(schema: ProviderSchema): ProviderSchema {
  return {
    source: schema.source,
    provider: { version: schema.provider.version, block: withoutProse(schema.provider.block) },
    resource_schemas: cutAll(schema.resource_schemas, used.resources),
    data_source_schemas: cutAll(schema.data_source_schemas, used.data),
  };
}

function cutAll(
  schemas: ProviderSchema['resource_schemas'],
  types: ReadonlySet<string>,
): ProviderSchema['resource_schemas'] {
  return Object.fromEntries(
    Object.entries(keep(schemas, types)).map(([type, { version, block }]) => [
      type,
      { version, block: withoutProse(block) },
    ]),
  );
}

/** Descriptions are most of a schema's text, and nothing here reads them. */
function withoutProse(block: BlockSchema): BlockSchema {
  return JSON.parse(
    JSON.stringify(block, (key, value: unknown) =>
      ['description', 'description_kind', 'deprecation_message'].includes(key) && typeof value === 'string'
        ? undefined
        : value,
    ),
  ) as BlockSchema;
}

function keep<T>(all: Readonly<Record<string, T>>, types: ReadonlySet<string>): Readonly<Record<string, T>> {
  return Object.fromEntries(
    Object.entries(all)
      .filter(([type]) => types.has(type))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** One line for each type: small, and a change shows as the lines of the types that changed. */
function write(file: string, content: ProviderSchema | RecordedValues): void {
  const lines = (value: object): string =>
    `{\n${Object.entries(value)
      .map(([key, member]) => `${JSON.stringify(key)}: ${JSON.stringify(member)}`)
      .join(',\n')}\n}`;
  const text = Object.entries(content)
    .map(([key, member]) => {
      const perType = key.endsWith('_schemas') ? lines(member as object) : JSON.stringify(member);
      return `${JSON.stringify(key)}: ${perType}`;
    })
    .join(',\n');
  writeFileSync(join(SCHEMAS, file), `{\n${text}\n}\n`);
}
