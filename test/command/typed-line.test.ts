import { describe, expect, test } from '@jest/globals';
import { readTypedLine } from '../../shared/command/typed-line.ts';
import { refusalOf } from './refusal.ts';

const words = (line: string, slack = false) => readTypedLine(line, { slack }).argv.join(' | ');

/** What Slack, Teams, phones and word processors make of a command, and what the gateway makes of that. */
const putRight: readonly (readonly [string, string, string, 'slack'?])[] = [
  ['a newline at the end', 'kubectl get pods\n', 'kubectl | get | pods'],
  ['a newline of Windows at the end', 'kubectl get pods\r\n', 'kubectl | get | pods'],
  ['no-break spaces of a phone', 'kubectl\u00a0get\u00a0pods', 'kubectl | get | pods'],
  ['a no-break space before a flag', 'kubectl get pods\u00a0-n shop', 'kubectl | get | pods | -n | shop'],
  ['the tool left out', 'get pods -n shop', 'kubectl | get | pods | -n | shop'],
  ['the tool as people alias it', 'k get pods', 'kubectl | get | pods'],
  [
    'a verb of two words without the tool',
    'rollout status deployment/web',
    'kubectl | rollout | status | deployment/web',
  ],
  ['helm as it is', 'helm list -n shop', 'helm | list | -n | shop'],
  ['straight quotes around anything', `get pods -l 'app=“web”'`, 'kubectl | get | pods | -l | app=“web”'],
  [
    'a no-break space in straight quotes',
    `annotate pod x note="a\u00a0b"`,
    'kubectl | annotate | pod | x | note=a\u00a0b',
  ],
  ['tabs between the words', 'kubectl\tget\tpods', 'kubectl | get | pods'],
  [
    'an address that Slack made a link',
    'get pods <http://web.shop|web.shop>',
    'kubectl | get | pods | web.shop',
    'slack',
  ],
  [
    'an address with its scheme',
    'annotate pod x see=<https://wiki.example/a>',
    'kubectl | annotate | pod | x | see=https://wiki.example/a',
    'slack',
  ],
  [
    'a mail address',
    'annotate pod x owner=<mailto:a@b.example|a@b.example>',
    'kubectl | annotate | pod | x | owner=a@b.example',
    'slack',
  ],
  ['entities in quotes', `get pods -l 'a&amp;b&lt;c'`, 'kubectl | get | pods | -l | a&b<c', 'slack'],
  ['an entity of an entity, once', `get pods -l 'a&amp;lt;'`, 'kubectl | get | pods | -l | a&lt;', 'slack'],
];

const refused: readonly (readonly [string, string, RegExp, 'slack'?])[] = [
  ['curly double quotes', 'get pods -l “app=web”', /curly quote \(U\+201C\).*write "app=web"$/],
  ['curly single quotes', 'get pods -l ‘app=web’', /curly quote \(U\+2018\).*write 'app=web'$/],
  ['German quotes', 'get pods -l „app=web“', /curly quote \(U\+201E\).*write "app=web"$/],
  ['French quotes', 'get pods -l «app=web»', /curly quote \(U\+00AB\).*write "app=web"$/],
  ['a prime of a phone in a name', 'get pod o’brien', /U\+2019.*write o'brien$/],
  ['an em dash for --', 'get pods —namespace shop', /dash \(U\+2014\).*write --namespace$/],
  ['an em dash for -- with a value', 'get pods —namespace=shop', /write --namespace=shop$/],
  ['an en dash for --', 'get pods –all-namespaces', /dash \(U\+2013\).*write --all-namespaces$/],
  ['an en dash for -', 'get pods –n shop', /dash \(U\+2013\).*write -n$/],
  ['an em dash for - before a letter', 'get pods —A', /write -A$/],
  ['a hyphen and a dash', 'get pods -–watch', /write --watch$/],
  ['an en dash in a name', 'get pod web–0', /write web-0$/],
  ['a non-breaking hyphen', 'get pod web\u20110', /hyphen \(U\+2011\).*write web-0$/],
  ['a minus sign', 'scale deployment/web \u2212\u2212replicas=3', /minus sign \(U\+2212\).*write --replicas=3$/],
  ['an ellipsis', 'get pods …', /ellipsis \(U\+2026\).*write \.\.\.$/],
  ['a full-width equals sign', 'get pods -l app＝web', /equals sign.*write app=web$/],
  ['a narrow no-break space', 'get\u202fpods', /typographic space \(U\+202F\).*write get pods$/],
  ['a thin space', 'get pods -n\u2009shop', /typographic space.*write -n shop$/],
  ['an ideographic space', 'get\u3000pods', /typographic space \(U\+3000\)/],
  ['a zero-width space', 'get po\u200bds', /invisible character \(U\+200B\): write "get pods/],
  ['a byte order mark', '\ufeffkubectl get pods', /invisible character \(U\+FEFF\): write "kubectl get pods/],
  ['a word joiner in quotes', `get pods -l 'app=\u2060web'`, /invisible character \(U\+2060\)/],
  ['a soft hyphen', 'get pods -n sh\u00adop', /invisible character \(U\+00AD\)/],
  ['a right-to-left override', 'delete pod \u202eshop', /invisible character \(U\+202E\)/],
  ['a tag character', 'get pods\u{e0041}', /invisible character \(U\+E0041\)/],
  ['a Hangul filler', 'get pods \u3164', /invisible character \(U\+3164\)/],
  ['a capital letter of a phone', 'Kubectl get pods', /capital letter.*write kubectl$/],
  ['a capital letter of a verb', 'Get pods', /capital letter.*write get$/],
  ['two lines', 'get pods\nget services', /newline/],
  ['two newlines at the end', 'get pods\n\n', /newline/],
  ['back-ticks around it', '`kubectl get pods`', /command substitution/],
  ['entities where nobody said that Slack wrote them', 'get pods -l a&amp;b', /"&"/],
  ['a link where nobody said so', 'get pods <http://web|web>', /"<"/],
  [
    'a link that shows something else',
    'get pods <http://evil.example|web>',
    /is a link to http:\/\/evil\.example that shows web/,
    'slack',
  ],
  ['a mention', 'get pods <@U02ABC>', /mention/, 'slack'],
  ['a channel', 'get pods <#C02ABC|shop>', /mention/, 'slack'],
  ['everybody', 'get pods <!channel>', /mention/, 'slack'],
  ['a redirection that Slack wrote as an entity', 'get pods &gt; x', /redirection/, 'slack'],
  ['two commands that Slack wrote as entities', 'get pods &amp;&amp; rm -rf x', /operator/, 'slack'],
];

/** A row without its last value would leave room for jest's own `done`. */
const told = <T>(rows: readonly (readonly [string, string, T, 'slack'?])[]) =>
  rows.map(([name, line, then, from]) => [name, line, then, from === 'slack'] as const);

describe('a line that was typed into a chat', () => {
  test.each(told(putRight))('with %s is put right', (_, line, argv, slack) => {
    expect(words(line, slack)).toBe(argv);
  });

  test.each(told(refused))('with %s is refused, with the spelling that would do', (_, line, why, slack) => {
    const { word, why: said } = refusalOf(() => readTypedLine(line, { slack }));
    expect(`${JSON.stringify(word)}: ${String(said)}`).toMatch(why);
  });

  test('that had no-break spaces says so, and no other does', () => {
    expect(readTypedLine('get\u00a0pods').warnings).toEqual([expect.stringMatching(/no-break spaces/)]);
    expect(readTypedLine('get pods\n').warnings).toEqual([]);
  });

  test('there are forty samples at least', () => {
    expect(putRight.length + refused.length).toBeGreaterThanOrEqual(40);
  });

  test('of any length takes time in proportion to it', () => {
    for (const part of ['<', '<http://', "'", '\\', '&amp;', '—', '"\\', '\u00a0']) {
      const began = performance.now();
      try {
        readTypedLine(part.repeat(50_000 / part.length), { slack: true });
      } catch {
        // refused, as most of them are
      }
      expect(performance.now() - began).toBeLessThan(5_000);
    }
  });
});
