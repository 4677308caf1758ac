import { visibleText } from '../lib/safe-text.ts';
import type { Profile } from './profile.ts';

/**
 * Text that somebody else wrote, as code: neither the channel nor a renderer acts on anything in it. In Markdown a fence that is longer than
 * any run of back-ticks cannot be left (CommonMark, sections 4.5 and 6.1); Slack has one fence, and escapes (docs.slack.dev/messaging/formatting-message-text).
 */

/** Longer runs of back-ticks are cut: the fence around them would take the whole message. */
const LONGEST_RUN = 60;
/** What stands for a back-tick where it would end the code. */
const GRAVE = '\u02cb';

/** The text without what a channel acts on: `@here`, `@everyone` and their like lose their sign, also in code. */
export function defused(text: string, profile: Profile): string {
  const shown = visibleText(text)
    .replace(/(?<![\w.+-])@(?=[A-Za-z])/g, '\uff20')
    .replace(/`+/g, (run) => (run.length > LONGEST_RUN ? `${run.slice(0, LONGEST_RUN)}…` : run));
  if (profile !== 'slack') return shown;
  return shown
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/`{3,}/g, (run) => GRAVE.repeat(run.length));
}

/** Defused text as a block of its own lines. */
export function block(text: string, profile: Profile): string {
  const fence = profile === 'slack' ? '```' : '`'.repeat(Math.max(3, longestRun(text) + 1));
  return `${fence}\n${text}\n${fence}`;
}

/** Text as code within a line. */
export function inline(text: string, profile: Profile): string {
  const line = defused(text.replaceAll(/\s+/gu, ' ').trim(), profile);
  if (line === '') return '';
  if (profile === 'slack') return `\`${line.replaceAll('`', GRAVE)}\``;
  const fence = '`'.repeat(longestRun(line) + 1);
  return line.includes('`') ? `${fence} ${line} ${fence}` : `\`${line}\``;
}

const longestRun = (text: string): number => Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
