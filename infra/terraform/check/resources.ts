import { checkHouseRules } from './house-rules.ts';
import { checkNames } from './names.ts';
import type { CheckResource } from './provider.ts';
import type { RecordedProvider } from './recorded.ts';
import { checkValues } from './values.ts';

/** Everything that is held against a resource: what its provider accepts, Azure's names, this project's rules. */
export function createResourceCheck(providers: readonly RecordedProvider[]): CheckResource {
  return (type, config) => [
    ...providers.flatMap(({ values }) => checkValues(values, type, config)),
    ...checkNames(type, config),
    ...checkHouseRules(type, config),
  ];
}
