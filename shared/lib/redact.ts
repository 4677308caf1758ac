/**
 * The net of known secret shapes, for free text: reasons, details, Azure's own words, user agents, and what stays of a command's
 * words (command/redact-words.ts, which goes by position). It errs towards hiding. It does not prove that nothing secret is left: a
 * password written where no password belongs stays.
 */
export const REDACTED = '[redacted]';

/** Names whose value is a secret, as far as they can stand in any text. */
const SECRET_WORD =
  'pass(?:word|wd|phrase|code)|passw?d?\\b|passw|pwd|secret|token|credential|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|shared[_-]?key|signing[_-]?key|\\w[_.-]?key\\b|connection[_-]{0,2}string|authorization|\\bdsn\\b|cookie|dockerconfigjson|\\bsig\\b|jwt|otp\\b';

// Every repetition is bounded or ends at a character that it cannot match: hostile text costs linear time. Only what follows the
// name is replaced, so the rest of the name need not be matched.
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
const dataFlagged =
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

/** One cheap look, since most texts hold nothing of the kind: whatever the expressions above can match has one of these. */
const suspicious =
  /from[-_]literal|--set|overrid|pass|pwd|secret|token|credential|key|auth|private|connection|dsn|cookie|dockerconfig|sig|jwt|otp|eyJ|bearer|basic|:\/\/|\dQ~|gh[pousr]_|github_pat_|glpat-|xox|AKIA|BEGIN|==/iu;

/** Free text with whatever looks like a secret replaced: reasons, details, Azure's own words, user agents. */
export function redactText(text: string): string {
  if (!suspicious.test(text)) return text;
  let clean = redactJwts(text);
  for (const shape of shapes) clean = clean.replace(shape, REDACTED);
  return clean
    .replace(dataFlagged, (_, flag: string, space: string) => `${flag}${space}${REDACTED}`)
    .replace(named, (_, name: string, separator: string, double?: string, single?: string) => {
      const quote = double ?? single ?? '';
      return `${name}${separator}${quote}${REDACTED}${quote}`;
    })
    .replace(flagged, (_, flag: string, space: string) => `${flag}${space}${REDACTED}`);
}
