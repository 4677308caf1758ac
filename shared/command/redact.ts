/** What stands in place of a secret value. */
export const REDACTED = '[redacted]';

/** Flags whose value is a secret, or may be one, whatever its name. */
const SECRET_FLAGS = new Set(['from-literal', 'docker-password', 'password', 'token']);
/** helm's ways to set values: `a.b=c,d=e`; the key tells. */
const SET_FLAGS = new Set(['set', 'set-string', 'set-json', 'set-literal', 'set-file']);
const SECRET_KEY = /passw|pwd|passphrase|token|secret|key|credential|auth|cert|private|connection-?string|dsn|sas/iu;
/** Three base64url parts that begin as a JSON object does: a JWT, wherever it stands. */
const JWT = /eyJ[\w-]{5,}\.eyJ[\w-]{5,}\.[\w-]*/gu;
/** Credentials inside a URL. */
const URL_CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/[^/\s:@]*):[^/\s@]+@/giu;

/**
 * The caller's words with secret values replaced: what records, logs and audit may hold. Works on any argv, parsed or refused,
 * since refused commands are recorded too: it goes by what a word looks like, and rather hides too much.
 */
export function redactArgv(argv: readonly string[]): string[] {
  const words: string[] = [];
  let before: string | undefined;
  for (const word of argv) {
    words.push(redactWord(word, before));
    before = word;
  }
  return words;
}

/** True when redaction would hide something of it: such words travel in the context, not in the command text. */
export const holdsSecret = (argv: readonly string[]): boolean => redactArgv(argv).some((word, at) => word !== argv[at]);

function redactWord(word: string, before: string | undefined): string {
  const own = flagName(word);
  if (own !== undefined && own.value !== undefined) {
    return `${own.spelt}=${redactValue(own.name, own.value)}`;
  }
  const flag = before === undefined ? undefined : flagName(before);
  if (flag !== undefined && flag.value === undefined && own === undefined) return redactValue(flag.name, word);
  return redactText(word);
}

function flagName(
  word: string,
): { readonly spelt: string; readonly name: string; readonly value: string | undefined } | undefined {
  const match = /^(?<spelt>--(?<name>[\w-]+))(?:=(?<value>[^]*))?$/u.exec(word);
  if (match?.groups === undefined) return undefined;
  const { spelt = '', name = '', value } = match.groups;
  return { spelt, name: name.replaceAll('_', '-').toLowerCase(), value };
}

function redactValue(flag: string, value: string): string {
  if (flag === 'from-literal') return keepKey(value);
  if (SET_FLAGS.has(flag)) return redactPairs(value);
  if (SECRET_FLAGS.has(flag) || /password|token$|secret$/u.test(flag)) return REDACTED;
  return redactText(value);
}

/** `user=hunter2` → `user=[redacted]`: the key says what was set. */
function keepKey(pair: string): string {
  const at = pair.indexOf('=');
  return at === -1 ? REDACTED : `${pair.slice(0, at)}=${REDACTED}`;
}

/** helm's `a=b,c.d={e,f}`. Commas inside values are not told apart: from the first secret key on, everything is hidden. */
function redactPairs(value: string): string {
  const pairs = value.split(',');
  const first = pairs.findIndex(
    (pair) => SECRET_KEY.test(pair.split('=', 1)[0] ?? '') || (/[[{]/u.test(pair) && SECRET_KEY.test(value)),
  );
  if (first === -1) return redactText(value);
  return [...pairs.slice(0, first).map(redactText), keepKey(pairs[first] ?? '')].join(',');
}

const redactText = (text: string): string =>
  text.replaceAll(JWT, REDACTED).replaceAll(URL_CREDENTIALS, (_, scheme: string) => `${scheme}:${REDACTED}@`);
