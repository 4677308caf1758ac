import { isExpression, metaArguments, toValue, withoutDynamic, type HclModule, type ResourceBlock } from './hcl.ts';
import type { CheckResource, Finding } from './provider.ts';
import type { AttributeSchema, BlockSchema, RecordedProvider, SchemaIndex } from './recorded.ts';
import { checkReferences } from './references.ts';
import { isList, isObject, type ObjectValue, type Value } from './value.ts';

export function indexSchemas(providers: readonly RecordedProvider[]): SchemaIndex {
  return new Map(
    providers.flatMap(({ schema }) => [
      ...Object.entries(schema.resource_schemas).map(([type, { block }]) => [type, block] as const),
      ...Object.entries(schema.data_source_schemas).map(([type, { block }]) => [`data.${type}`, block] as const),
    ]),
  );
}

/**
 * Checks a module where there is no terraform: names, required arguments and literal values of every resource against the recorded
 * schemas and values, and what expressions refer to. Terraform sees more, since it evaluates expressions.
 */
export function walkModule(module: HclModule, schemas: SchemaIndex, check: CheckResource): readonly string[] {
  return [
    ...module.resources.flatMap((resource) =>
      checkResource(resource, schemas, check).map(({ path, message }) =>
        [`${module.folder}: ${addressOf(resource)}`, path.join('.'), message].filter(Boolean).join(': '),
      ),
    ),
    ...checkReferences(module, schemas).map((message) => `${module.folder}: ${message}`),
  ];
}

export const typeOf = ({ kind, type }: ResourceBlock): string => (kind === 'data' ? `data.${type}` : type);
export const addressOf = (resource: ResourceBlock): string => `${typeOf(resource)}.${resource.name}`;

function checkResource(resource: ResourceBlock, schemas: SchemaIndex, check: CheckResource): readonly Finding[] {
  if (resource.type === 'terraform_data') return []; // Terraform's own, of no provider
  const schema = schemas.get(typeOf(resource));
  if (!schema) return [{ path: [], message: 'no schema is recorded for this type' }];
  const written = Object.fromEntries(Object.entries(resource.body).filter(([name]) => !metaArguments.has(name)));
  return [
    ...checkBlock(written, schema, []),
    ...check(typeOf(resource), toValue(resource.body)),
    ...checkPolicyText(resource),
  ];
}

/** A policy's rule is an expression (jsonencode), which is not evaluated here: its text must say that it denies. */
function checkPolicyText({ type, body }: ResourceBlock): readonly Finding[] {
  const rule = body['policy_rule'];
  if (type !== 'azurerm_policy_definition' || (typeof rule === 'string' && denies.test(rule))) return [];
  return [{ path: ['policy_rule'], message: 'the effect of a policy must be deny' }];
}

const denies = /\bthen\s*=\s*\{\s*effect\s*=\s*"deny"\s*\}/;

function checkBlock(body: ObjectValue, schema: BlockSchema, path: Finding['path']): readonly Finding[] {
  const { attributes = {}, block_types: blocks = {} } = schema;
  const complete = withoutDynamic(body);
  const known = Object.entries(complete).flatMap(([name, value]) => {
    const here = [...path, name];
    const attribute = attributes[name];
    if (attribute) return checkAttribute(value, attribute, here);
    const nested = blocks[name];
    if (!nested) return [{ path: here, message: 'there is no such argument' }];
    return asBlocks(value).flatMap((block) => checkBlock(block, nested.block, here));
  });
  return [...known, ...checkPresence(complete, schema, path)];
}

function checkPresence(body: ObjectValue, schema: BlockSchema, path: Finding['path']): readonly Finding[] {
  const missing = Object.entries(schema.attributes ?? {})
    .filter(([name, { required }]) => required === true && body[name] === undefined)
    .map(([name]) => ({ path: [...path, name], message: 'this argument is required' }));
  const counted = Object.entries(schema.block_types ?? {}).flatMap(([name, { min_items = 0, max_items = 0 }]) => {
    const count = body[name] === undefined ? 0 : asBlocks(body[name]).length;
    if (count < min_items)
      return [{ path: [...path, name], message: `at least ${min_items} such blocks are required` }];
    if (max_items > 0 && count > max_items)
      return [{ path: [...path, name], message: `at most ${max_items} are allowed` }];
    return [];
  });
  return [...missing, ...counted];
}

const asBlocks = (value: Value): readonly ObjectValue[] => (isList(value) ? value : [value]).filter(isObject);

function checkAttribute(value: Value, attribute: AttributeSchema, path: Finding['path']): readonly Finding[] {
  if (attribute.computed === true && attribute.optional !== true && attribute.required !== true) {
    return [{ path, message: 'the provider decides this value: it cannot be set' }];
  }
  if (value === null || isExpression(value) || fits(value, attribute.type)) return [];
  return [{ path, message: `${JSON.stringify(value)} is not of type ${JSON.stringify(attribute.type)}` }];
}

/** Whether Terraform could convert a literal to the type: "1" is a number, and 1 a string. */
function fits(value: Value, type: AttributeSchema['type']): boolean {
  const scalar = !isList(value) && !isObject(value);
  const kind = typeof type === 'string' ? type : type?.[0];
  if (kind === 'string') return scalar;
  if (kind === 'number')
    return typeof value === 'number' || (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value));
  if (kind === 'bool') return typeof value === 'boolean' || value === 'true' || value === 'false';
  if (kind === 'list' || kind === 'set') {
    return isList(value) && value.every((member) => isExpression(member) || fits(member, elementType(type)));
  }
  return kind === 'map' ? isObject(value) : true;
}

const elementType = (type: AttributeSchema['type']): AttributeSchema['type'] =>
  Array.isArray(type) ? (type[1] as AttributeSchema['type']) : undefined;
