import { describe, expect, test } from '@jest/globals';
import type { Webhook } from '../../shared/config/config.ts';
import { headline, write } from '../../shared/chat/message.ts';
import { recordMessage } from '../../shared/chat/messages.ts';
import { payloadOf, type Told } from '../../shared/notify/payload.ts';
import { commandRecord } from '../support/records.ts';

const record = commandRecord('x', { status: 'completed', argv: ['kubectl', 'get', 'pods'] });
const stdout = Buffer.from('web-1 Running\n```\n<!channel> @here **bold** [x](http://evil.example)\n');
const message = recordMessage({ record, output: { stdout, stderr: Buffer.from('') } }, 'https://gw.example/v1/x');
const told: Told = {
  event: 'command.ended',
  at: Date.UTC(2026, 0, 1),
  data: { id: 'x', status: 'completed', address: 'https://gw.example/v1/x' },
  link: 'https://gw.example/v1/x',
  say: (profile, much) =>
    much === 'line'
      ? headline(message, profile)
      : write(much === 'all' ? message : { ...message, link: undefined }, profile),
};
const payload = (changes: Partial<Webhook>): Record<string, unknown> => {
  const webhook = { name: 'ops', events: [], private: false, hosts: [], profile: 'json', output: false, ...changes };
  return JSON.parse(payloadOf(told, webhook as Webhook)) as Record<string, unknown>;
};

describe('what a program gets', () => {
  test('is the facts and the first line, with an address for the rest', () => {
    expect(payload({})).toEqual({
      type: 'command.ended',
      timestamp: '2026-01-01T00:00:00.000Z',
      data: { ...told.data, summary: expect.stringMatching(/^✅ done · `demo` · `kubectl get pods`/) },
    });
  });

  test('has what was printed where the webhook says so alone', () => {
    expect(JSON.stringify(payload({}))).not.toContain('Running');
    expect(payload({ output: true })).toMatchObject({
      data: { message: expect.stringContaining('\n````\nweb-1 Running\n```\n') },
    });
  });
});

describe("Slack's incoming webhook", () => {
  test('gets one line of text, in which nothing is looked up or unfurled', () => {
    expect(payload({ profile: 'slack' })).toEqual({
      text: expect.stringMatching(/^✅ done · [^\n]*$/),
      link_names: false,
      unfurl_links: false,
      unfurl_media: false,
    });
  });

  test('gets the output in a block that nothing leaves', () => {
    const { text } = payload({ profile: 'slack', output: true });
    expect(String(text).match(/```/g)).toHaveLength(2);
    expect(text).toContain('&lt;!channel&gt; ＠here');
    expect(text).toMatch(/<https:\/\/gw\.example\/v1\/x\|All of it>$/);
  });
});

describe("Teams' incoming webhook", () => {
  /** learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook */
  interface Card {
    readonly type: 'message';
    readonly attachments: readonly {
      readonly contentType: string;
      readonly content: { readonly type: string; readonly body: readonly Block[]; readonly actions: unknown };
    }[];
  }
  interface Block {
    readonly type: string;
    readonly inlines: readonly { readonly type: string; readonly text: string }[];
  }
  const card = (changes: Partial<Webhook> = {}): readonly Block[] => {
    const { type, attachments } = payload({ profile: 'teams', ...changes }) as unknown as Card;
    expect([type, attachments.length]).toEqual(['message', 1]);
    const [attachment] = attachments;
    expect(attachment).toMatchObject({
      contentType: 'application/vnd.microsoft.card.adaptive',
      content: {
        type: 'AdaptiveCard',
        version: '1.4',
        actions: [{ type: 'Action.OpenUrl', title: 'All of it', url: 'https://gw.example/v1/x' }],
      },
    });
    return attachment?.content.body ?? [];
  };
  const linesOf = (blocks: readonly Block[]): readonly string[] =>
    blocks.map(({ inlines }) => inlines.map(({ text }) => text).join(''));

  test('gets a card of one line', () => {
    expect(linesOf(card())).toEqual([expect.stringMatching(/^✅ done · /)]);
  });

  test('gets each line of the output as it is: runs of text, in which Teams reads no Markdown', () => {
    const blocks = card({ output: true });
    for (const { type, inlines } of blocks)
      expect([type, inlines.map((one) => one.type)]).toEqual(['RichTextBlock', ['TextRun']]);
    expect(linesOf(blocks).join('\n')).not.toContain('All of it');
    expect(linesOf(blocks)).toContain('web-1 Running');
    expect(linesOf(blocks)).toContain('<!channel> ＠here **bold** [x](http://evil.example)');
  });
});
