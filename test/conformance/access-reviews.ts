import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { resourceVerbs } from '../../shared/kubernetes/known-kinds.ts';
import { virtualResources } from '../../shared/kubernetes/resource-table.ts';
import { builtInTypes, groupName } from '../../shared/kubernetes/resources.ts';
import { RECORDINGS } from './recordings.ts';

/** By role, place and resource: the verbs that a real API server allows, with a space between. What is not there it denies. */
export type Answers = Record<string, Record<string, Record<string, string>>>;

export interface AccessReviews {
  readonly recorded: string;
  readonly server: string;
  readonly answers: Answers;
}

/** Who is asked about, and in which namespace; '' asks for all of them, or for what is in none. */
export const places: Readonly<Record<string, { readonly user: 'everywhere' | 'shop'; readonly namespace: string }>> = {
  'everywhere, in shop': { user: 'everywhere', namespace: 'shop' },
  'everywhere, in all namespaces or none': { user: 'everywhere', namespace: '' },
  'in shop, in shop': { user: 'shop', namespace: 'shop' },
  'in shop, in another': { user: 'shop', namespace: 'billing' },
  'in shop, in all namespaces or none': { user: 'shop', namespace: '' },
};

interface Asked {
  /** `deployments.apps/scale` */
  readonly name: string;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespaced: boolean;
}

const split = (name: string): { readonly resource: string; readonly group: string } => {
  const [resource = '', ...group] = name.split('.');
  return { resource, group: group.join('.') };
};

const everything: readonly Omit<Asked, 'verb'>[] = [
  ...builtInTypes.flatMap((type) =>
    ['', ...type.subresources].map((subresource) => ({
      name: `${groupName(type)}${subresource && `/${subresource}`}`,
      group: type.group,
      resource: type.resource,
      subresource,
      namespaced: type.namespaced,
    })),
  ),
  ...virtualResources.map((name) => ({ name, ...split(name), subresource: '', namespaced: true })),
];

/** Every verb on every resource of the table that can be asked for in a place. */
export const questions = (place: string): readonly Asked[] =>
  everything
    .filter(({ namespaced }) => namespaced || places[place]?.namespace === '')
    .flatMap((one) => resourceVerbs.map((verb) => ({ ...one, verb })));

export const readAccessReviews = (): AccessReviews =>
  JSON.parse(readFileSync(join(RECORDINGS, 'access-reviews.json'), 'utf8')) as AccessReviews;

/** One line for each resource, so that a change reads well as a diff. */
export function writeAnswers({ recorded, server, answers }: AccessReviews): string {
  const roles = Object.entries(answers).map(([role, byPlace]) => {
    const inPlaces = Object.entries(byPlace).map(([place, byResource]) => {
      const lines = Object.entries(byResource).map(
        ([name, verbs]) => `   ${JSON.stringify(name)}: ${JSON.stringify(verbs)}`,
      );
      return `  ${JSON.stringify(place)}: {\n${lines.join(',\n')}}`;
    });
    return ` ${JSON.stringify(role)}: {\n${inPlaces.join(',\n')}}`;
  });
  return `{"recorded": ${JSON.stringify(recorded)}, "server": ${JSON.stringify(server)},\n"answers": {\n${roles.join(',\n')}}}\n`;
}
