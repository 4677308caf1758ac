import { REDACTED, redactJwts } from '../lib/redact.ts';

/** Flags of which a value is a secret as a whole. */
const SECRET_FLAG = /^(?:overrides|.*(?:passw(?:or)?d|passphrase|token))$/u;
/** Flags of pairs whose values are data: none is kept. */
const DATA_FLAG = /^from-literal$/u;
/** helm's `a.b=c,d=e`. */
const SET_FLAG = /^set(?:-string|-json|-literal|-file)?$/u;
/** Names whose value is a secret, in `--set`, `--env`, `NAME=value` and JSON. Rather too many than too few. */
const SECRET_NAME =
  /passw|pwd|passphrase|token|secret|credential|apikey|(?:^|[^a-z])key|key$|auth|private|connection-?_?string|dsn|cookie|dockerconfigjson/iu;

/** What is a secret by its own looks, wherever it stands, JWTs apart: a private key, the password in a URL (RFC 3986, 3.2.1). */
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*/gu;
const URL_PASSWORD = /(:\/\/[^/\s:@]*):[^/\s@]+@/gu;
const BEARER = /\b(bearer|basic)\s+[\w.~+/=-]{8,}/giu;

/** One cheap look, since most commands hold nothing of the kind: whatever the expressions above and below can match has one of these. */
const SUSPICIOUS =
  /passw|pwd|passphrase|token|secret|credential|key|auth|private|connection|dsn|cookie|dockerconfig|from[-_]literal|overrides|eyJ|:\/\/|bearer|basic/iu;

/**
 * The caller's words with secret values replaced: what records, logs and audit may hold. Works on any argv, also on one that was
 * refused, since refusals are recorded too: it goes by what words look like. It is no proof that nothing secret is left: whoever
 * writes a password where no password belongs will find it in the record.
 */
export function redactArgv(argv: readonly string[]): string[] {
  if (!SUSPICIOUS.test(argv.join('\n'))) return [...argv];
  const patchesSecret = argv.includes('patch') && argv.some((word) => /^secrets?(?:[./,]|$)/iu.test(word));
  return argv.map((word, at) => {
    const own = readFlag(word);
    if (own?.value !== undefined) return own.spelt + redactValue(own.name, own.value, patchesSecret);
    const before = own === undefined ? readFlag(argv[at - 1] ?? '') : undefined;
    if (before !== undefined && before.value === undefined) return redactValue(before.name, word, patchesSecret);
    return redactPair(word);
  });
}

/** True when redaction would hide something of the words: then they travel in the context, not in the command text. */
export const holdsSecret = (words: readonly string[]): boolean =>
  redactArgv(words).some((word, at) => word !== words[at]);

interface WrittenFlag {
  /** With its dashes and, when a value follows in the same word, the equals sign. */
  readonly spelt: string;
  /** Without dashes, `_` as `-`; `patch` for `-p`. */
  readonly name: string;
  readonly value: string | undefined;
}

function readFlag(word: string): WrittenFlag | undefined {
  const [spelt = '', name, short, equals] = /^(?:--([\w-]+)|-(p))(=)?/u.exec(word) ?? [];
  if (name !== undefined && (equals !== undefined || spelt === word)) {
    const value = equals === undefined ? undefined : word.slice(spelt.length);
    return { spelt, name: name.replaceAll('_', '-').toLowerCase(), value };
  }
  if (short === undefined) return undefined;
  return { spelt, name: 'patch', value: spelt === word ? undefined : word.slice(spelt.length) };
}

function redactValue(flag: string, value: string, patchesSecret: boolean): string {
  if (SECRET_FLAG.test(flag) || (flag === 'patch' && patchesSecret)) return REDACTED;
  if (DATA_FLAG.test(flag)) return keepName(value);
  if (SET_FLAG.test(flag)) return redactSettings(value);
  return redactPair(value);
}

/** `NAME=value`, `-eNAME=value` (kubectl run and set env). */
function redactPair(text: string): string {
  const name = /^(?:-[a-zA-Z])?([\w./-]+)=/u.exec(text)?.[1];
  return name !== undefined && SECRET_NAME.test(name) ? keepName(text) : redactText(text);
}

/** `user=hunter2` → `user=[redacted]`: an auditor sees what was set. */
function keepName(pair: string): string {
  const name = /^[\w.[\]/-]{1,200}=/u.exec(pair)?.[0];
  return `${name ?? ''}${REDACTED}`;
}

/**
 * `a=b,c.d=e`: a comma may be part of a value, so from the first secret name on everything is hidden, and all of it when lists or
 * objects are inside.
 */
function redactSettings(value: string): string {
  if (/[[{]/u.test(value) && SECRET_NAME.test(value)) return keepName(value);
  const pairs = value.split(',');
  const first = pairs.findIndex((pair) => SECRET_NAME.test(pair.split('=', 1)[0] ?? ''));
  if (first === -1) return redactText(value);
  return [...pairs.slice(0, first).map(redactText), keepName(pairs[first] ?? '')].join(',');
}

function redactText(text: string): string {
  return redactJwts(text)
    .replaceAll(PRIVATE_KEY, REDACTED)
    .replaceAll(URL_PASSWORD, (_, before: string) => `${before}:${REDACTED}@`)
    .replaceAll(BEARER, (_, scheme: string) => `${scheme} ${REDACTED}`)
    .replaceAll(
      /(["'])([\w.-]+)\1(\s*:\s*)(["'])(?:\\.|(?!\4)[^\\])*\4/gu,
      (match, quote: string, name: string, colon: string) =>
        SECRET_NAME.test(name) ? `${quote}${name}${quote}${colon}${quote}${REDACTED}${quote}` : match,
    );
}
