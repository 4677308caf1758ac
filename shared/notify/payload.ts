import type { Webhook } from '../config/config.ts';

/** What there is to tell: words for people, written for a chat or without a chat's markup, and what programs read. */
export interface Told {
  readonly event: string;
  readonly at: number;
  readonly data: Readonly<Record<string, unknown>>;
  /** `all`: with what the command printed, and where the rest is; `text`: the same without a link; `line`: the first line alone. */
  readonly say: (profile: 'slack' | 'teams' | 'github', much: 'all' | 'text' | 'line') => string;
  /** Where the rest is. */
  readonly link?: string | undefined;
}

/** The body that a webhook gets. Small: the rest is fetched. */
export function payloadOf({ event, at, data, say, link }: Told, { profile, output }: Webhook): string {
  switch (profile) {
    case 'json':
      return JSON.stringify({
        type: event,
        timestamp: new Date(at).toISOString(),
        data: { ...data, summary: say('github', 'line'), ...(output && { message: say('github', 'all') }) },
      });
    case 'slack':
      // docs.slack.dev/messaging/sending-messages-using-incoming-webhooks: nothing in it is looked up or unfurled.
      return JSON.stringify({
        text: say('slack', output ? 'all' : 'line'),
        link_names: false,
        unfurl_links: false,
        unfurl_media: false,
      });
    case 'teams':
      return JSON.stringify(teamsCard(say('teams', output ? 'text' : 'line'), link));
  }
}

/**
 * A workflow's incoming webhook takes an Adaptive Card (learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook).
 * A text run is shown as it is, where a text block would read Markdown; so the link is a button.
 */
const teamsCard = (text: string, link: string | undefined) => ({
  type: 'message',
  attachments: [
    {
      contentType: 'application/vnd.microsoft.card.adaptive',
      content: {
        $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
        type: 'AdaptiveCard',
        version: '1.4',
        body: text
          .split('\n')
          .filter((line) => !/^`{3,}$/.test(line))
          .map((line) => ({
            type: 'RichTextBlock',
            inlines: [{ type: 'TextRun', text: line === '' ? ' ' : line, fontType: 'Monospace' }],
          })),
        ...(link !== undefined && { actions: [{ type: 'Action.OpenUrl', title: 'All of it', url: link }] }),
      },
    },
  ],
});
