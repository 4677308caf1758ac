import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import MarkdownIt from 'markdown-it';
import { headline, LONGEST_MESSAGE, write, type Message } from '../../shared/chat/message.ts';
import { problemMessage, recordMessage } from '../../shared/chat/messages.ts';
import type { Profile } from '../../shared/chat/profile.ts';
import { commandRecord } from '../support/records.ts';

/** A renderer that acts on as much as any: HTML passes, bare addresses become links. */
const renderer = new MarkdownIt({ html: true, linkify: true });
const LINK = 'https://gateway.example.com/v1/commands/x';
const profiles: readonly Profile[] = ['slack', 'teams', 'github'];

/** What people and programs write to leave a block, to call somebody, or to hide. */
const corpus: readonly string[] = [
  ...[1, 2, 3, 4, 5, 7, 30, 61, 200, 5_000].map((count) => '`'.repeat(count)),
  '```\n<!channel> out\n```',
  '~~~\nout\n~~~',
  '````\n```\n````',
  '   ```\nout',
  '\t```\nout',
  '> ```\n> out',
  '- ```\n  out',
  '```js\nout\n```\n# heading',
  'a\u2028```\u2028out',
  'a\r```\rout',
  'a\u0085```\u0085out',
  'a\v```\vout',
  '<!channel> <!here> <!everyone> <!subteam^S123>',
  '<@U02ABC> <#C02ABC|shop> @here @channel @everyone @all @octocat @org/team',
  '<http://evil.example|safe> [safe](http://evil.example) http://evil.example www.evil.example a@evil.example',
  '![](http://evil.example/track.png) <img src=http://evil.example>',
  '<script>alert(1)</script> <a href="javascript:alert(1)">x</a> <!-- -->',
  '&lt;!channel&gt; &amp; &#60;!here&#62;',
  '*bold* _it_ ~gone~ **b** __b__ # h\n---\n===\n| a | b |\n|---|---|',
  '[x]: http://evil.example\n\n[x]',
  '\u202egnp.exe\u202c \u2066hidden\u2069 \u200b\u200d\u2060\ufeff\u00ad',
  '\u001b[31mred\u001b[0m \u0007\u0008\u007f\u009b31m',
  '\ud800 lone \udfff',
  '\u{e0041}\u{e0042} tags',
  '\\`\\`\\` \\<!channel\\>',
  '$$x$$ $`x`$ :tada: #123 GH-1 0123456789abcdef0123456789abcdef01234567',
];

const messageOf = (text: string): Message => ({
  outcome: '✅ done',
  facts: ['demo', text, `says: ${text}`],
  after: '3.0 s',
  body: { head: text.split('\n'), tail: [], leftOut: 0 },
  notes: [text],
  link: LINK,
});

/** Invisible or obeyed rather than shown. */
const HIDDEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

function checkMarkdown(text: string): void {
  const tokens = renderer.parse(text, {});
  expect(tokens.filter(({ type }) => type === 'fence').length).toBeLessThanOrEqual(1);
  for (const { type } of tokens) expect(['paragraph_open', 'paragraph_close', 'inline', 'fence']).toContain(type);
  const inner = tokens.flatMap(({ children }) => children ?? []);
  const kinds = new Set(inner.map(({ type }) => type));
  for (const kind of kinds) expect(['text', 'code_inline', 'softbreak', 'link_open', 'link_close']).toContain(kind);
  const links = inner.filter(({ type }) => type === 'link_open').map((token) => token.attrGet('href'));
  expect(links).toEqual([LINK]);
  // What stands outside of code is the gateway's own.
  const own = inner
    .filter(({ type }) => type === 'text')
    .map(({ content }) => content)
    .join('');
  expect(own.replaceAll(/[ ·]|\u2705|⚠|\ufe0f|done|3\.0 s|All of it/gu, '')).toBe('');
}

/** docs.slack.dev/messaging/formatting-message-text: `<` opens what Slack acts on, three back-ticks are a fence, one is code. */
function checkSlack(text: string): void {
  expect(text.match(/```/g) ?? []).toHaveLength(2);
  expect(text.match(/<[^>]*>?/g)).toEqual([`<${LINK}|All of it>`]);
  expect(text).not.toMatch(/&(?!amp;|lt;|gt;)/);
  const [before = '', , after = ''] = text.split('```');
  for (const part of [before, after]) {
    const pieces = part.replace(`<${LINK}|All of it>`, '').split('`');
    expect(pieces.length % 2).toBe(1);
    const own = pieces.filter((_, index) => index % 2 === 0).join('');
    expect(own.replaceAll(/[ \n·]|\u2705|⚠|\ufe0f|done|3\.0 s/gu, '')).toBe('');
  }
}

function check(text: string, profile: Profile): void {
  expect(text.length).toBeLessThanOrEqual(LONGEST_MESSAGE);
  expect(HIDDEN.exec(text.replaceAll('\ufe0f', ''))).toBeNull();
  expect(text).not.toMatch(/(?<![\w.+-])@(?:here|channel|everyone|all)\b/);
  if (profile === 'slack') checkSlack(text);
  else checkMarkdown(text);
}

describe.each(profiles)('a message for %s', (profile) => {
  test('lets nothing out of its code, whatever was written', () => {
    for (const text of corpus) check(write(messageOf(text), profile), profile);
    check(write(messageOf(corpus.join('\n')), profile), profile);
  });

  test('neither what is put together from such pieces', () => {
    const piece = fc.oneof(
      fc.constantFrom(...corpus, '`', '``', '```', '\n', ' ', '<', '>', '&', '@', '\\'),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 12 }), (pieces) => {
        check(write(messageOf(`x${pieces.join('')}`), profile), profile);
      }),
      { numRuns: Number(process.env['AKSGW_RUNS'] ?? 150) },
    );
  });

  test('of two megabytes shows their beginning and end, and how much is left out', () => {
    const lines = Array.from({ length: 60_000 }, (_, index) => `line ${index} ${'`<&@here'.repeat(4)}`);
    const stdout = Buffer.from(`${lines.join('\n')}\n`);
    const record = commandRecord('x', { status: 'completed', argv: ['kubectl', 'get', 'pods'] });
    const text = write(recordMessage({ record, output: { stdout, stderr: Buffer.from('') } }, LINK), profile);
    expect(stdout.byteLength).toBeGreaterThan(2_000_000);
    expect(text.length).toBeLessThanOrEqual(LONGEST_MESSAGE);
    expect(text).toMatch(/\nline 0 /);
    expect(text).toMatch(/\nline 59999 /);
    const shown = text.match(/^line \d+ /gm)?.length ?? 0;
    expect(text).toContain(`… ${60_000 - shown} lines left out …`);
  });

  test('of one endless line shows something of it', () => {
    const stdout = Buffer.from('x<'.repeat(100_000));
    const record = commandRecord('x', { status: 'completed', argv: ['kubectl', 'get', 'pods'] });
    const text = write(recordMessage({ record, output: { stdout, stderr: Buffer.from('') } }, LINK), profile);
    expect(text.length).toBeLessThanOrEqual(LONGEST_MESSAGE);
    expect(text).toMatch(profile === 'slack' ? /x&lt;x/ : /x<x/);
  });
});

describe('a message says', () => {
  test('what came of it, where, what was asked, by whom, and how long it took', () => {
    const record = commandRecord('x', {
      status: 'completed',
      argv: ['kubectl', 'get', 'pods'],
      requestedBy: 'U02ABC',
      submittedAt: 1_000,
      finishedAt: 4_100,
    });
    expect(headline(recordMessage({ record }), 'slack')).toBe(
      '✅ done · `demo` · `kubectl get pods` · `says: U02ABC` · 3.1 s',
    );
    const requester = { kind: 'user', tid: 't', oid: 'o-1' } as const;
    expect(headline(recordMessage({ record: { ...record, requester } }), 'github')).toContain('`by user o-1`');
  });

  test('what to do next about a problem', () => {
    const text = write(problemMessage('policy-denied', 'No rule allows get secrets <!here>.'), 'slack');
    expect(text).toMatch(
      /^🛑 Policy does not allow this · `policy-denied`\n```\nNo rule allows get secrets &lt;!here&gt;\.\n\nNext: /,
    );
  });

  test('of a digest what it is: no sign in the middle of a word is touched', () => {
    const record = commandRecord('x', { status: 'completed', argv: ['kubectl', 'get', 'pods'] });
    const stdout = Buffer.from('web@sha256:abc a@b.example @here\n');
    const text = write(recordMessage({ record, output: { stdout, stderr: Buffer.from('') } }), 'github');
    expect(text).toContain('web@sha256:abc a@b.example ＠here');
  });
});
