import { refuse } from '../lib/refuse.ts';

/** What Slack makes of an address, a mention or a channel that somebody types (docs.slack.dev/messaging/formatting-message-text). */
const wrapped = /<([^<>|\n]{1,2000})(?:\|([^<>|\n]{0,2000}))?>/gu;

/**
 * A line as it was typed: Slack turns what looks like a link into one, and writes `&`, `<` and `>` as entities. A link that shows something
 * else than where it leads was not typed so, and a mention is no word of a command. Throws Problem `command-refused`.
 */
export function unwrapSlack(line: string): string {
  const typed = line.replaceAll(wrapped, (whole: string, target: string, label?: string) => {
    if (/^[@#!]/u.test(target)) throw refuse(whole, 'is a mention: write the name itself, without @ or #');
    const shown = label ?? target;
    if (!/^(?:https?|mailto|tel):/iu.test(target)) throw refuse(whole, 'is not a link that Slack makes');
    if (bare(shown) !== bare(target))
      throw refuse(whole, `is a link to ${target} that shows ${shown}: write one of them`);
    return shown;
  });
  return typed.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

/** An address without what Slack adds to it. */
const bare = (text: string): string => text.replace(/^(?:https?:\/\/|mailto:|tel:)/iu, '').replace(/\/$/u, '');
