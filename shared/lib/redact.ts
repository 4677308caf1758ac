/**
 * The one redactor. It goes by what words and texts look like, and errs towards hiding: the trail's HMACs still tell whether two
 * commands were the same. It works on any argv, also on one that was refused, since refusals are recorded too. It does not prove
 * that nothing secret is left: a password written where no password belongs stays.
 */
const REDACTED = '[redacted]';

/** Names whose value is a secret, as far as they can stand in any text. */
const SECRET_WORD =
  'pass(?:word|wd|phrase|code)|passw?d?\\b|passw|pwd|secret|token|credential|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|shared[_-]?key|signing[_-]?key|\\w[_.-]?key\\b|connection[_-]{0,2}string|authorization|\\bdsn\\b|cookie|dockerconfigjson|\\bsig\\b|jwt|otp\\b';
/** In `NAME=value` and in settings a name stands by itself, so that more of them count. */
const secretName = new RegExp(`${SECRET_WORD}|(?:^|[^a-z])key|key$|auth|private|dsn`, 'iu');
/** Flags whose value is a secret as a whole: those with such a name, and `--overrides`, a whole pod. */
const secretFlag = new RegExp(`^(?:overrides|override-json)$|${SECRET_WORD.replace('\\w[_.-]?key\\b|', '')}`, 'iu');
/** Flags that have such a name and no secret value: helm's booleans. */
const harmlessFlag = /^(?:hide-secret|pass-credentials)$/u;
/** Flags of pairs whose values are data: none is kept. */
const dataFlag = /^from-literal$/u;
/** helm's `a.b=c,d=e`. */
const settingsFlag = /^set(?:-string|-json|-literal|-file)?$/u;

// Every repetition is bounded or ends at a character that it cannot match: hostile text costs linear time. Only what follows the
// name is replaced, so the rest of the name is not matched.
/** `name=value`, `name: value`, `"name":"value"`. */
const named = new RegExp(
  `((?:${SECRET_WORD})[\\w.-]{0,40})(\\\\?["']?\\s{0,8}[=:]\\s{0,8})(?:(\\\\?")(?:[^"\\\\]|\\\\[^"])*\\\\?"|(')[^']*'|(?:bearer|basic)\\s{1,8}[^\\s,;&]+|[^\\s,;&"']+)`,
  'giu',
);
/** `--name value`. */
const flagged = new RegExp(
  `(?<=(?:^|\\s)--?[\\w.-]{0,40})((?:${SECRET_WORD})[\\w.-]{0,40})(\\s{1,8})(?!-)("[^"]*"|'[^']*'|\\S+)`,
  'giu',
);
/** A flag of data in a text that was not split into words; an open quote reaches to the end. */
const DATA_FLAGGED =
  /(--(?:from[-_]literal|set|set[-_](?:string|json|literal)|docker[-_]password|overrides|override[-_]json))([=\s]{1,8})('[^']*'?|"[^"]*"?|\S+)/gu;

/** Secrets by their own shape, anywhere. */
const shapes: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----|[\s\S]*)/gu,
  /(?<=\b(?:bearer|basic)\s{1,8})[\w.~+/=-]{8,}/giu,
  // User information in a URL (RFC 3986, section 3.2.1).
  /(?<=:\/\/)[^\s/@:]*:[^\s/@]+(?=@)/gu,
  // An Entra client secret; tokens of GitHub, GitLab, Slack, AWS; a base64 of 64 bytes, such as a storage account's key.
  /[\w.~-]{3}\dQ~[\w.~-]{31,34}/gu,
  /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|xox[abeoprs]-[\w-]{10,}|AKIA[A-Z0-9]{16})/gu,
  /(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86,}==/gu,
];

/** Every run of the characters of a JWT, whole: an expression for the JWT itself would begin again at each `eyJ` of a run. */
const jwtRun = /[\w-]+(?:\.[\w-]*)*/gu;
/** A JWT or JWE: two or more parts, the first a JSON object in base64url. */
const jwtStart = /\beyJ[\w-]{5}/u;

/** The text without its JWTs, in time proportional to its length. */
const redactJwts = (text: string): string =>
  text.includes('eyJ')
    ? text.replace(jwtRun, (run) => {
        const start = run.search(jwtStart);
        return start === -1 || !run.includes('.', start) ? run : `${run.slice(0, start)}${REDACTED}`;
      })
    : text;

/** One cheap look, since most texts hold nothing of the kind: each match of the expressions above has one of these. */
const SUSPICIOUS =
  /from[-_]literal|--set|overrid|pass|pwd|secret|token|credential|key|auth|private|connection|dsn|cookie|dockerconfig|sig|jwt|otp|eyJ|bearer|basic|:\/\/|\dQ~|gh[pousr]_|github_pat_|glpat-|xox|AKIA|BEGIN|==/iu;

/** Free text, with everything replaced that looks like a secret: reasons, details, Azure's own words, user agents. */
export function redactText(text: string): string {
  if (!SUSPICIOUS.test(text)) return text;
  let clean = redactJwts(text);
  for (const shape of shapes) clean = clean.replace(shape, REDACTED);
  return clean
    .replace(DATA_FLAGGED, (_, flag: string, space: string) => `${flag}${space}${REDACTED}`)
    .replace(named, (_, name: string, separator: string, double?: string, single?: string) => {
      const quote = double ?? single ?? '';
      return `${name}${separator}${quote}${REDACTED}${quote}`;
    })
    .replace(flagged, (_, flag: string, space: string) => `${flag}${space}${REDACTED}`);
}

interface RedactOptions {
  /** What to keep of helm's `--set` values: those whose name is harmless, or none. */
  readonly settings: 'by-name' | 'none';
}

/** The words of a command with secret values replaced: what records, logs and audit may hold. */
export function redactArgv(argv: readonly string[], options: RedactOptions = { settings: 'by-name' }): string[] {
  if (!SUSPICIOUS.test(argv.join('\n'))) return [...argv];
  const patchesSecret = argv.includes('patch') && argv.some((word) => /^secrets?(?:[./,]|$)/iu.test(word));
  const valueOf = (flag: string, value: string): string => {
    if (isSecretFlag(flag) || (flag === 'patch' && patchesSecret)) return keepName(value, flag);
    if (dataFlag.test(flag)) return keepName(value, flag);
    if (settingsFlag.test(flag)) return options.settings === 'none' ? keepName(value, flag) : redactSettings(value);
    return redactPair(value);
  };
  return argv.map((word, at) => {
    const own = readFlag(word);
    if (own?.value !== undefined) return own.spelt + valueOf(own.name, own.value);
    const before = own === undefined ? readFlag(argv[at - 1] ?? '') : undefined;
    if (before !== undefined && before.value === undefined) return valueOf(before.name, word);
    return redactPair(word);
  });
}

/** True when redaction would hide something of the words: then they travel in the context, not in the command text. */
export const holdsSecret = (words: readonly string[]): boolean =>
  redactArgv(words).some((word, at) => word !== words[at]);

const isSecretFlag = (name: string): boolean => secretFlag.test(name) && !harmlessFlag.test(name);

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

/** `NAME=value`, `-eNAME=value` (kubectl run and set env). */
function redactPair(text: string): string {
  const name = /^(?:-[a-zA-Z])?([\w./-]+)=/u.exec(text)?.[1];
  return name !== undefined && secretName.test(name) ? keepName(text) : redactText(text);
}

/** `user=hunter2` → `user=[redacted]`: an auditor sees what was set. The value of a flag that takes no pairs goes whole. */
function keepName(pair: string, flag = 'set'): string {
  const pairs = dataFlag.test(flag) || settingsFlag.test(flag);
  const name = pairs ? /^[\w.[\]/-]{1,200}=/u.exec(pair)?.[0] : undefined;
  return `${name ?? ''}${REDACTED}`;
}

/**
 * `a=b,c.d=e`: a comma may be part of a value, so from the first secret name on everything is hidden, and all of it when lists or
 * objects are inside.
 */
function redactSettings(value: string): string {
  if (/[[{]/u.test(value) && secretName.test(value)) return keepName(value);
  const pairs = value.split(',');
  const first = pairs.findIndex((pair) => secretName.test(pair.split('=', 1)[0] ?? ''));
  if (first === -1) return redactText(value);
  return [...pairs.slice(0, first).map(redactText), keepName(pairs[first] ?? '')].join(',');
}
