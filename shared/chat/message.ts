import { block, defused, inline } from './code.ts';
import { fit, type Ends } from './cut.ts';
import type { Profile } from './profile.ts';

/** Slack cuts a section's text at 3,000 characters (docs.slack.dev/reference/block-kit/blocks/section-block). */
export const LONGEST_MESSAGE = 2_900;
const LONGEST_PART = 300;
const MOST_NOTES = 3;

/** What a message says. What somebody else wrote stands in `facts`, `body` and `notes`, and is shown as code. */
export interface Message {
  /** The gateway's own words: the outcome. */
  readonly outcome: string;
  /** Where, what, who. */
  readonly facts: readonly (string | undefined)[];
  /** The gateway's own words after these: how long. */
  readonly after?: string | undefined;
  readonly body?: Ends | undefined;
  readonly notes?: readonly string[] | undefined;
  /** Where all of it is. */
  readonly link?: string | undefined;
}

/** The first line alone. */
export function headline({ outcome, facts, after }: Message, profile: Profile): string {
  const parts = facts
    .filter((fact) => fact !== undefined && fact.trim() !== '')
    .map((fact) => short(fact ?? '', profile));
  return [outcome, ...parts, ...(after === undefined ? [] : [after])].join(' · ');
}

/** A message that can be posted as it stands: at most LONGEST_MESSAGE characters, and nothing in it that the channel acts on. */
export function write(message: Message, profile: Profile): string {
  const { body, notes = [], link } = message;
  const first = headline(message, profile);
  const last = [
    ...notes.slice(0, MOST_NOTES).map((note) => `⚠️ ${short(note, profile)}`),
    ...(link === undefined ? [] : [linkTo(link, profile)]),
  ];
  const fences = 2 * (60 + 2);
  const room = LONGEST_MESSAGE - first.length - last.reduce((sum, line) => sum + line.length + 2, 0) - fences;
  const text = body && fit(body, room, (line) => defused(line, profile));
  return [first, ...(text === undefined || text === '' ? [] : [block(text, profile)]), ...last].join('\n');
}

function short(text: string, profile: Profile): string {
  const cut = text.length > LONGEST_PART ? `${text.slice(0, LONGEST_PART)}…` : text;
  const written = inline(cut, profile);
  // Escapes and written-out characters may make it longer than it was.
  return written.length <= 2 * LONGEST_PART ? written : inline(`${cut.slice(0, LONGEST_PART / 12)}…`, profile);
}

/** The gateway's own address: plain characters of a URL only. */
function linkTo(url: string, profile: Profile): string {
  const safe = encodeURI(url).replaceAll(/[()<>|`*_~]/g, (character) => `%${character.charCodeAt(0).toString(16)}`);
  return profile === 'slack' ? `<${safe}|All of it>` : `[All of it](${safe})`;
}
