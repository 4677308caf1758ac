import { isIPv4 } from 'node:net';

/** How a value must be written, told by the sentence with which the provider refuses one that is not. */
interface Format {
  readonly sentence: RegExp;
  readonly accepts: (text: string) => boolean;
  /** Must hold whatever else is accepted; the others are alternatives (a UUID or nothing, an id or a word). */
  readonly always?: true;
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

const isCidr =
  (most: number) =>
  (text: string): boolean => {
    const [address = '', bits = String(most), ...rest] = text.split('/');
    return isIPv4(address) && /^\d+$/.test(bits) && Number(bits) <= most && rest.length === 0;
  };

const matches = (pattern: RegExp) => (text: string) => pattern.test(text);
const resourceName = /^[A-Za-z0-9](?:[\w.-]{0,78}\w)?$/;

const formats: readonly Format[] = [
  { sentence: /to be a valid UUID$/, accepts: matches(/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/) },
  { sentence: /to be an empty string: $/, accepts: (text) => text === '' },
  {
    sentence: /to be a valid RFC3339 date$/,
    accepts: matches(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/),
  },
  {
    sentence: /to be a base64 string$/,
    accepts: matches(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/),
  },
  { sentence: /cannot be parsed as a duration/, accepts: matches(/^[+-]?(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+$/) },
  {
    sentence: /expected 'P' period mark/,
    accepts: matches(/^P(?=.)(?:\d+Y)?(?:\d+M)?(?:\d+W)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?$/),
  },
  { sentence: /contains an invalid JSON/, accepts: isJson },
  { sentence: /must start with IPV4 address.*\(0-32\)/, accepts: isCidr(32) },
  { sentence: /must start with IPV4 address.*\(0-30\)/, accepts: isCidr(30) },
  { sentence: /is not a valid IPv4 address/, accepts: isIPv4 },
  { sentence: /^URI has no host/, accepts: URL.canParse },
  {
    sentence: /as a resource id: |^cannot parse Azure ID|^parsing "" as an \w+ ID/,
    accepts: matches(/^\/(subscriptions|providers)\/./),
  },
  {
    sentence: /as a Policy Definition ID/,
    accepts: matches(/\/providers\/Microsoft\.Authorization\/policyDefinitions\/[^/]+$/),
  },
  {
    sentence: /as a Policy Set Definition ID/,
    accepts: matches(/\/providers\/Microsoft\.Authorization\/policySetDefinitions\/[^/]+$/),
  },
  {
    sentence: /^expect scope to start with one of/,
    accepts: matches(/^\/(subscriptions|providers\/Microsoft\.Management\/managementGroups)\//),
  },
  { sentence: /found 1 segment\(s\)/, accepts: matches(/^https:\/\/[^/]+\/(keys|secrets)\/[^/]+(\/[^/]+)?$/) },
  {
    sentence: /only contain alphanumeric characters, dash, underscores, parentheses and periods$/,
    accepts: matches(/^[-\w().]{1,90}$/),
    always: true,
  },
  { sentence: /dashes and must be between 3-24 chars$/, accepts: matches(/^[A-Za-z0-9-]{3,24}$/), always: true },
  {
    sentence: /must start with a letter and end with a letter or number$/,
    accepts: matches(/^[A-Za-z].*[A-Za-z0-9]$/),
    always: true,
  },
  { sentence: /only contain alphanumeric characters and dashes$/, accepts: matches(/^[A-Za-z0-9-]+$/), always: true },
  { sentence: /dashes and underscores up to 60 characters/, accepts: matches(/^[\w-]{1,60}$/), always: true },
  {
    sentence: /lowercase letters and numbers, and must be between 3 and 24/,
    accepts: matches(/^[a-z0-9]{3,24}$/),
    always: true,
  },
  {
    sentence: /^only lowercase alphanumeric characters and hyphens allowed/,
    accepts: matches(/^(\$root|\$web|[a-z0-9](?:-?[a-z0-9])+)$/),
    always: true,
  },
  {
    sentence: /lowercase letters and numbers and be between 1 and 12 characters/,
    accepts: matches(/^[a-z][a-z0-9]{0,11}$/),
    always: true,
  },
  {
    sentence: /cannot use '-' as the start and end of the name/,
    accepts: matches(/^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$/),
    always: true,
  },
  {
    sentence: /^(?:[\w.]+ )?name must be between 1 - 80 characters|\.name must be between 1 - 80/,
    accepts: matches(resourceName),
    always: true,
  },
  { sentence: /must be between 2 and 34 segments$/, accepts: matches(/^[^.]+(\.[^.]+){1,33}$/), always: true },
  {
    sentence: /must begin and end with an alphanumeric character, be between 3 and 63/,
    accepts: matches(/^[A-Za-z0-9][\w.\- ]{1,61}[A-Za-z0-9]$/),
    always: true,
  },
];

interface Judged {
  /** Formats of which one is enough; those that must hold, and do, are among them. */
  readonly alternatives: readonly ((text: string) => boolean)[];
  /** Sentences of formats that must all hold, and do not. */
  readonly broken: readonly string[];
}

/** What the provider's sentences say of a text. A sentence that no format here stands for says nothing. */
export function judgeFormat(sentences: readonly string[], text: string): Judged {
  const known = sentences.flatMap((sentence) => {
    const format = formats.find((format) => format.sentence.test(sentence));
    return format ? [{ said: sentence, ...format }] : [];
  });
  return {
    alternatives: known.map(({ accepts }) => accepts),
    broken: known.filter(({ always, accepts }) => always && !accepts(text)).map(({ said }) => said),
  };
}

/** Whether a sentence of refusal is one that a format here stands for. */
export const isKnownFormat = (sentence: string): boolean => formats.some((format) => format.sentence.test(sentence));
