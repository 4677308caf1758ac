import { Problem } from '../errors.ts';

/** How a message is written: Slack's mrkdwn, Markdown as Teams takes it, or GitHub's. */
export type Profile = 'slack' | 'teams' | 'github';

const profiles: readonly Profile[] = ['slack', 'teams', 'github'];

/**
 * The profile that an Accept header asks for, where it would rather have `text/markdown` than JSON (RFC 9110, section 12.5.1; RFC 7763);
 * GitHub's where it names none. Of two that weigh the same the one that is named comes before a wildcard, as many clients add one. Throws Problem `request-invalid` for one that there is not.
 */
export function acceptedProfile(accept: string | undefined): Profile | undefined {
  if (!accept || !/text\/markdown/i.test(accept)) return undefined;
  const ranges = accept.split(',').map(rangeOf);
  const [markdown] = ranges.filter(({ type }) => type === 'text/markdown').toSorted((a, b) => b.weight - a.weight);
  if (!markdown || markdown.weight === 0) return undefined;
  const json = ['application/json', 'application/*', '*/*']
    .map((type) => ranges.find((range) => range.type === type))
    .find((range) => range !== undefined);
  if (json && (json.type.endsWith('*') ? json.weight > markdown.weight : json.weight >= markdown.weight))
    return undefined;
  const { profile = 'github' } = markdown;
  const known = profiles.find((name) => name === profile);
  if (known) return known;
  throw new Problem('request-invalid', `Accept: text/markdown has the profiles ${profiles.join(', ')}, and no other.`);
}

function rangeOf(item: string): {
  readonly type: string;
  readonly weight: number;
  readonly profile?: string | undefined;
} {
  const [type = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
  const valueOf = (name: string): string | undefined =>
    parameters
      .find((parameter) => parameter.startsWith(`${name}=`))
      ?.slice(name.length + 1)
      .replaceAll('"', '');
  const weight = valueOf('q');
  return { type, weight: weight === undefined ? 1 : Number(weight) || 0, profile: valueOf('profile') };
}
