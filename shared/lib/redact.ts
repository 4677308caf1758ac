/**
 * The second net. The command room hands over argv that its grammar has already redacted; here is what stands between free text
 * (reasons, details, Azure's own words, user agents, the argv of a command that could not be read) and whatever is written: the
 * trail in every field, records, the log, problems. It errs towards hiding: the trail's HMACs still tell whether two commands
 * were the same.
 */
export const REDACTED = '[redacted]';

/** What a name whose value is a secret has in it. */
const SECRET =
  '(?:pass(?:word|wd|phrase|code)|passw?d?\\b|pwd|secret|token|credential|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|shared[_-]?key|signing[_-]?key|connection[_-]?string|authorization|cookie|dockerconfigjson|\\bsig\\b|jwt|otp\\b)';

// Every repetition is bounded or ends at a character that it cannot match: hostile text costs linear time. Only what follows
// the name is replaced, so the rest of the name need not be matched.
/** `name=value`, `name: value`, `"name":"value"`. */
const named = new RegExp(
  `(${SECRET}[\\w.-]{0,40})(\\\\?["']?\\s{0,8}[=:]\\s{0,8})(?:\\\\?"(?:[^"\\\\]|\\\\[^"])*\\\\?"|'[^']*'|(?:bearer|basic)\\s{1,8}[^\\s,;&]+|[^\\s,;&"']+)`,
  'giu',
);
/** `--name value`. */
const flagged = new RegExp(
  `(?<=(?:^|\\s)--?[\\w.-]{0,40})(${SECRET}[\\w.-]{0,40})(\\s{1,8})(?!-)("[^"]*"|'[^']*'|\\S+)`,
  'giu',
);
/** A data flag (below) in a text that nobody could split into words; an open quote reaches to the end. */
const dataFlagged =
  /(--(?:from[-_]literal|set|set[-_](?:string|json|literal)|docker[-_]password|overrides|override[-_]json))([=\s]{1,8})('[^']*'?|"[^"]*"?|\S+)/gu;
const secretName = new RegExp(SECRET, 'iu');

/** What is a secret by its own looks, wherever it stands. */
const shapes: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----|[\s\S]*)/gu,
  /\b(?:bearer|basic)\s+[\w.~+/=-]{8,}/giu,
  // User information in an URL (RFC 3986, 3.2.1).
  /(?<=:\/\/)[^\s/@:]*:[^\s/@]+(?=@)/gu,
  // An Entra client secret; tokens of GitHub, GitLab, Slack, AWS; a base64 of 64 bytes, such as a storage account's key.
  /[\w.~-]{3}\dQ~[\w.~-]{31,34}/gu,
  /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|xox[abeoprs]-[\w-]{10,}|AKIA[A-Z0-9]{16})/gu,
  /(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86,}==/gu,
];

/** Every run of the characters of a JWT, whole: an expression for the JWT itself would begin again at each `eyJ` of a run. */
const jwtRun = /[\w-]+(?:\.[\w-]*)*/gu;
/** A JWT or JWE: three or more parts, the first a JSON object in base64url. */
const jwtStart = /\beyJ[\w-]{8}/u;

/** The text without its JWTs. Takes time in proportion to its length. */
export const redactJwts = (text: string): string =>
  text.includes('eyJ')
    ? text.replace(jwtRun, (run) => {
        const start = run.search(jwtStart);
        return start === -1 || !run.includes('.', start) ? run : `${run.slice(0, start)}${REDACTED}`;
      })
    : text;

/** One cheap look, since most strings hold nothing of the kind. */
const suspicious =
  /from[-_]literal|--set|overrid|pass|pwd|secret|token|credential|key|connection|authorization|cookie|dockerconfig|sig|jwt|otp|eyJ|bearer|basic|:\/\/|\dQ~|gh[pousr]_|github_pat_|glpat-|xox|AKIA|BEGIN|==/iu;

/** Free text with what looks like a secret replaced. */
export function redactText(text: string): string {
  if (!suspicious.test(text)) return text;
  let clean = redactJwts(text);
  for (const shape of shapes) clean = clean.replace(shape, REDACTED);
  return clean
    .replace(dataFlagged, (_, flag: string, space: string) => `${flag}${space}${REDACTED}`)
    .replace(named, (_, name: string, separator: string) => `${name}${closed(separator)}${REDACTED}`)
    .replace(flagged, (_, flag: string, space: string) => `${flag}${space}${REDACTED}`);
}

/** The separator without the quote that closed the name. */
const closed = (separator: string): string => (/[=:]/u.exec(separator)?.[0] === '=' ? '=' : separator);

/** Flags whose values are data, not names: nobody can tell which of them is secret, so none is kept. */
const DATA_FLAG =
  /^(--(?:from[-_]literal|set|set[-_]string|set[-_]json|set[-_]literal|docker[-_]password|overrides|override[-_]json))(?:=([\s\S]*))?$/u;
/** Any long flag; whether it is secret is for its name to tell. */
const LONG_FLAG = /^(--[\w.-]{1,100})(?:=([\s\S]*))?$/u;
const PATCH_FLAG = /^(-p|--patch)(?:=([\s\S]*))?$/u;

/** Words of a command, which may be one that nobody could parse. */
export function redactArgv(argv: readonly string[]): readonly string[] {
  const patchesSecret = argv.includes('patch') && argv.some((word) => /^secrets?(?:[./]|$)/iu.test(word));
  const words: string[] = [];
  let hideNext = false;
  for (const word of argv) {
    const flag =
      DATA_FLAG.exec(word) ?? secretFlag(word) ?? (patchesSecret ? PATCH_FLAG.exec(word) : null) ?? undefined;
    if (hideNext && (flag === undefined || !word.startsWith('--'))) {
      words.push(keepName(word));
      hideNext = false;
    } else if (flag) {
      const [, name = '', value] = flag;
      words.push(value === undefined ? name : `${name}=${keepName(value)}`);
      hideNext = value === undefined;
    } else {
      words.push(redactText(word));
      hideNext = false;
    }
  }
  return words;
}

function secretFlag(word: string): RegExpExecArray | undefined {
  const flag = LONG_FLAG.exec(word);
  return flag && secretName.test(flag[1] ?? '') ? flag : undefined;
}

/** `password=abc` keeps its name, so that an auditor sees what was set. */
function keepName(value: string): string {
  const name = /^[\w.[\]/-]{1,100}(?==)/u.exec(value)?.[0];
  return name === undefined ? REDACTED : `${name}=${REDACTED}`;
}
