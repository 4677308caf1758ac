import { join } from 'node:path';

import type { Finding } from './provider.ts';
import { readJson, SCHEMAS } from './recorded.ts';
import { isList, isObject, valuesAt, type ObjectValue, type Value } from './value.ts';

/** Azure's own names, which no provider checks. */
interface AzureNames {
  readonly roles: Readonly<Record<string, string>>;
  readonly actions: readonly string[];
  readonly dataActions: readonly string[];
  /** By resource type. */
  readonly diagnosticCategories: Readonly<Record<string, readonly string[]>>;
  readonly privateLinkServices: Readonly<Record<string, readonly string[]>>;
  /** Built-in policies: their titles by GUID. */
  readonly policies: Readonly<Record<string, string>>;
}

const azureNames = readJson(join(SCHEMAS, 'azure-names.json')) as AzureNames;

/** Holds names of roles, actions, categories and policies against Azure's own. Unknown values pass. */
export function checkNames(type: string, config: Value): readonly Finding[] {
  const oneOf = (path: string, names: readonly string[], what: string): readonly Finding[] =>
    texts(config, path).flatMap(({ path, text }) =>
      names.includes(text) ? [] : [{ path, message: `${JSON.stringify(text)} is not ${what}` }],
    );
  switch (type) {
    case 'azurerm_role_assignment':
      return [
        ...oneOf('role_definition_name', Object.keys(azureNames.roles), 'a built-in role listed in azure-names.json'),
        ...texts(config, 'role_definition_id').flatMap(({ path, text }) =>
          roleId.test(text)
            ? []
            : [
                {
                  path,
                  message: `${JSON.stringify(text)} is not the ARM id of a role: use role_definition_resource_id`,
                },
              ],
        ),
      ];
    case 'azurerm_role_definition':
      return [
        ...['actions', 'not_actions'].flatMap((list) =>
          oneOf(`permissions.${list}`, azureNames.actions, 'an action listed in azure-names.json'),
        ),
        ...['data_actions', 'not_data_actions'].flatMap((list) =>
          oneOf(`permissions.${list}`, azureNames.dataActions, 'a data action listed in azure-names.json'),
        ),
      ];
    case 'azurerm_monitor_diagnostic_setting': {
      const target = targetType(config, 'target_resource_id');
      const known = target === undefined ? undefined : azureNames.diagnosticCategories[target];
      return known ? oneOf('enabled_log.category', known, `a log category of ${target}`) : [];
    }
    case 'azurerm_private_endpoint': {
      const target = targetType(config, 'private_service_connection.private_connection_resource_id');
      const known = target === undefined ? undefined : azureNames.privateLinkServices[target];
      const path = 'private_service_connection.subresource_names';
      return known ? oneOf(path, known, `a private link service of ${target}`) : [];
    }
    case 'azurerm_subscription_policy_assignment':
      return texts(config, 'policy_definition_id').flatMap(({ path, text }) => {
        const [, guid] = /^\/providers\/Microsoft\.Authorization\/policyDefinitions\/(.+)$/.exec(text) ?? [];
        if (guid === undefined || azureNames.policies[guid] !== undefined) return [];
        return [{ path, message: `${guid} is not a built-in policy listed in azure-names.json` }];
      });
    case 'azapi_resource':
    case 'azapi_update_resource':
      return checkBody(config);
    default:
      return [];
  }
}

const roleId = /^(\/subscriptions\/[^/|]+)?\/providers\/Microsoft\.Authorization\/roleDefinitions\/[0-9a-f-]{36}$/;

function texts(config: Value, path: string): readonly { readonly path: Finding['path']; readonly text: string }[] {
  return valuesAt(config, path).flatMap(({ path, value }) =>
    typeof value === 'string' ? [{ path, text: value }] : [],
  );
}

/** `Microsoft.Storage/storageAccounts/blobServices` of an ARM id. */
function targetType(config: Value, path: string): string | undefined {
  const [id] = texts(config, path);
  const [namespace, ...rest] = id?.text.split('/providers/').at(-1)?.split('/') ?? [];
  if (namespace === undefined || rest.length === 0) return undefined;
  return [namespace, ...rest.filter((_, index) => index % 2 === 0)].join('/');
}

/** What a body may hold: a type, the values accepted, a list of objects (of which one is shown), or members. */
type Shape = string | readonly string[] | readonly [ObjectShape] | ObjectShape;
interface ObjectShape {
  readonly [name: string]: Shape;
}

const bodies = readJson(join(SCHEMAS, 'azapi-bodies.json')) as Readonly<Record<string, Shape>>;

function checkBody(config: Value): readonly Finding[] {
  if (!isObject(config) || typeof config['type'] !== 'string' || config['body'] === undefined) return [];
  const shape = bodies[config['type']];
  const unrecorded = `${config['type']} is not recorded in azapi-bodies.json: nothing would check its body`;
  if (shape === undefined) return [{ path: ['type'], message: unrecorded }];
  return checkShape(config['body'], shape, ['body']);
}

function checkShape(value: Value, shape: Shape, path: Finding['path']): readonly Finding[] {
  if (value === null || typeof value === 'symbol') return [];
  const expect = (holds: boolean, expected: string): readonly Finding[] =>
    holds ? [] : [{ path, message: `${JSON.stringify(value)} is not ${expected}` }];
  if (typeof shape === 'string') return expect(typeof value === jsonTypes[shape], `a ${shape}`);
  if (isWords(shape)) return expect(typeof value === 'string' && shape.includes(value), `one of ${shape.join(', ')}`);
  if (isObjects(shape)) {
    if (!isList(value)) return expect(false, 'a list');
    return value.flatMap((member, index) => checkShape(member, shape[0], [...path, index]));
  }
  return isObject(value) ? checkMembers(value, shape, path) : expect(false, 'an object');
}

const jsonTypes: Readonly<Record<string, string>> = { string: 'string', number: 'number', bool: 'boolean' };
const isWords = (shape: Shape): shape is readonly string[] => Array.isArray(shape) && typeof shape[0] === 'string';
const isObjects = (shape: Shape): shape is readonly [ObjectShape] => Array.isArray(shape);

function checkMembers(value: ObjectValue, shape: ObjectShape, path: Finding['path']): readonly Finding[] {
  return Object.entries(value).flatMap(([name, member]) => {
    const known = shape[name];
    if (known !== undefined) return checkShape(member, known, [...path, name]);
    return [{ path: [...path, name], message: `the API knows no ${name} here` }];
  });
}
