import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A type as Terraform's JSON form of cty writes it: `"string"`, `["list", "string"]`, `["object", {"name": "string"}]`. */
type CtyType = string | readonly [string, CtyType | Readonly<Record<string, CtyType>>, ...unknown[]];

export interface AttributeSchema {
  readonly type?: CtyType;
  /** Attributes of a nested object (protocol 6), instead of `type`. */
  readonly nested_type?: {
    readonly attributes: Readonly<Record<string, AttributeSchema>>;
    readonly nesting_mode: string;
  };
  readonly required?: boolean;
  readonly optional?: boolean;
  readonly computed?: boolean;
  readonly sensitive?: boolean;
  readonly deprecated?: boolean;
  readonly write_only?: boolean;
}

interface NestedBlockSchema {
  readonly nesting_mode: string;
  readonly block: BlockSchema;
  readonly min_items?: number;
  readonly max_items?: number;
}

export interface BlockSchema {
  readonly attributes?: Readonly<Record<string, AttributeSchema>>;
  readonly block_types?: Readonly<Record<string, NestedBlockSchema>>;
  readonly deprecated?: boolean;
}

export interface ResourceSchema {
  readonly version: number;
  readonly block: BlockSchema;
}

/** What `terraform providers schema -json` prints for one provider, cut to what the modules use. */
export interface ProviderSchema {
  readonly source: string;
  readonly provider: ResourceSchema;
  readonly resource_schemas: Readonly<Record<string, ResourceSchema>>;
  readonly data_source_schemas: Readonly<Record<string, ResourceSchema>>;
}

/** What a provider's own code accepts beyond the type, by path within the resource. A value passes that fits one of the kinds. */
export interface RecordedValue {
  readonly oneOf?: readonly string[];
  readonly range?: readonly [string, string];
  readonly lengthRange?: readonly [string, string];
  readonly idKind?: readonly string[];
  /** The provider's own sentences of refusal. */
  readonly says?: readonly string[];
  readonly text?: string;
}

export type RecordedValues = Readonly<Record<string, Readonly<Record<string, RecordedValue>>>>;

export interface RecordedProvider {
  /** `azurerm` */
  readonly name: string;
  /** `5.2.0` */
  readonly version: string;
  /** `registry.terraform.io/hashicorp/azurerm` */
  readonly address: string;
  readonly schema: ProviderSchema;
  readonly values: RecordedValues;
}

export const SCHEMAS = join(import.meta.dirname, '../schemas');

const namespaces: Readonly<Record<string, string>> = { azurerm: 'hashicorp', azuread: 'hashicorp', azapi: 'azure' };

/** The providers that are recorded in a folder, as `<name>-<version>.schema.json` and `….values.json`. */
export function readRecorded(folder = SCHEMAS): readonly RecordedProvider[] {
  const files = readdirSync(folder);
  return files
    .flatMap((file) => {
      const [, name, version] = /^([a-z]+)-([0-9.]+)\.schema\.json$/.exec(file) ?? [];
      if (name === undefined || version === undefined) return [];
      const values = `${name}-${version}.values.json`;
      const address = `registry.terraform.io/${namespaces[name] ?? 'hashicorp'}/${name}`;
      return [
        {
          name,
          version,
          address,
          schema: readJson(join(folder, file)) as ProviderSchema,
          values: files.includes(values) ? (readJson(join(folder, values)) as RecordedValues) : {},
        },
      ];
    })
    .sort((a, b) => a.name.localeCompare(b.name));
}

export function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** Schemas by what is written: `azurerm_subnet`, `data.azurerm_client_config`. */
export type SchemaIndex = ReadonlyMap<string, BlockSchema>;
