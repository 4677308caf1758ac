import type { HclModule } from './hcl.ts';
import type { SchemaIndex } from './recorded.ts';

const resource = /\b(data\.)?((?:azurerm|azuread|azapi)_[a-z0-9_]+)\.([a-z0-9_]+)((?:\[[^\]]*\])?)(?:\.([a-z0-9_]+))?/g;
const named = /(?<![\w.])(var|local|module)\.([a-z0-9_]+)/g;

/** Attributes that exist and are never what is meant: a role definition's id is two ids with a "|" between. */
const misleading: Readonly<Record<string, string>> = {
  'azurerm_role_definition.id': 'role_definition_resource_id',
};

/** What expressions refer to: resources, variables, locals and modules that exist, attributes that their schema has. */
export function checkReferences(module: HclModule, schemas: SchemaIndex): readonly string[] {
  const expressions = module.texts.filter((text) => /[$%]\{/.test(text)).join('\n');
  return [...new Set([...checkResources(expressions, module, schemas), ...checkNamed(expressions, module)])];
}

function checkResources(expressions: string, module: HclModule, schemas: SchemaIndex): readonly string[] {
  const declared = new Set(
    module.resources.map(({ kind, type, name }) => `${kind === 'data' ? 'data.' : ''}${type}.${name}`),
  );
  return [...expressions.matchAll(resource)].flatMap(([, data = '', type = '', name = '', , attribute]) => {
    const address = `${data}${type}.${name}`;
    if (!declared.has(address)) return [`${address} is referred to, and is not declared`];
    const schema = schemas.get(data + type);
    if (attribute === undefined || !schema) return [];
    const instead = misleading[`${type}.${attribute}`];
    if (instead !== undefined) return [`${address}.${attribute} passes everything and fails in Azure: use ${instead}`];
    if (schema.attributes?.[attribute] || schema.block_types?.[attribute]) return [];
    return [`${address} has no attribute ${attribute}`];
  });
}

function checkNamed(expressions: string, module: HclModule): readonly string[] {
  const names: Readonly<Record<string, ReadonlySet<string>>> = {
    var: new Set(Object.keys(module.variables)),
    local: new Set(module.locals),
    module: new Set(Object.keys(module.calls)),
  };
  const used = [...expressions.matchAll(named)].map(([, kind = '', name = '']) => ({ kind, name }));
  return [
    ...used
      .filter(({ kind, name }) => names[kind]?.has(name) !== true)
      .map(({ kind, name }) => `${kind}.${name} is referred to, and is not declared`),
    ...Object.keys(module.variables)
      .filter((name) => !used.some((use) => use.kind === 'var' && use.name === name))
      .map((name) => `var.${name} is declared, and never used`),
  ];
}
