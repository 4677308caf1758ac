import { printable } from '../lib/safe-text.ts';
import type { Health } from './assess.ts';
import { partNames } from './status.ts';
import { sentence } from './answers.ts';

const MOST_LINES = 20;
const MOST_LINE = 200;

/**
 * A look for chat: one line in words of the gateway's own, then everything that comes out of the cluster inside one code fence, where no
 * renderer sees a link, a mention or a heading. With `slack` the three characters that Slack reads even there are entities
 * (docs.slack.dev/messaging/formatting-message-text, "Escaping text").
 */
export function healthMarkdown(health: Health, slack: boolean): string {
  const { cluster, namespace, status, parts, findings, more } = health;
  const rows = partNames.map((name) => `${name.padEnd(13)} ${parts[name].status.padEnd(12)} ${parts[name].reason}`);
  const shown = findings.slice(0, MOST_LINES).map((finding) => `${finding.severity.padEnd(9)} ${sentence(finding)}`);
  const left = findings.length - shown.length + more;
  const lines = [...rows, ...(shown.length > 0 ? ['', ...shown] : []), ...(left > 0 ? [`… and ${left} more`] : [])];
  const body = lines.map(line).join('\n');
  const where = `${cluster}${namespace === undefined ? '' : `, namespace ${namespace}`}`;
  const text = `**${line(where)}: ${status}**\n\n\`\`\`\n${body}\n\`\`\`\n`;
  return slack
    ? text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replace(/\*\*/g, '*')
    : text;
}

/** No line of it can end the fence, or the line. */
const line = (text: string): string => {
  const one = printable(text)
    .replaceAll(/[\n\t\r]/g, ' ')
    .replaceAll('`', "'");
  return one.length > MOST_LINE ? `${one.slice(0, MOST_LINE)}…` : one;
};
