import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { main } from '../../shared/client/main.ts';

/**
 * `node test/health/picture.ts`: what `aksgw health` prints of the look that was recorded at a real API server (record.ts), as a picture for
 * README.md.
 */
const PICTURE = join(import.meta.dirname, '../../.github/aksgw-health.svg');
const RECORDING = join(import.meta.dirname, 'recordings/api-server.json');

const COLUMNS = 118;
const CHARACTER = 7.2;
const LINE = 17;
const MARGIN = 16;
const colours: Readonly<Record<string, string>> = {
  ok: '#3fb950',
  degraded: '#d29922',
  failing: '#f85149',
  unknown: '#8b949e',
  'not-allowed': '#8b949e',
};

/** What the real command prints, given the recorded answer. */
async function printed(): Promise<string> {
  const { asker } = JSON.parse(readFileSync(RECORDING, 'utf8')) as { asker: { health: unknown } };
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(asker.health));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    let out = '';
    const stream = { write: (text: string) => Boolean((out += text)) };
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const env = { AKSGW_URL: url, AKSGW_TOKEN: 'a-token' };
    const signal = new AbortController().signal;
    await main(['health', 'demo'], { env, cwd: '.', stdout: stream, stderr: stream, signal } as never);
    return out;
  } finally {
    server.close();
  }
}

/** The picture, as SVG. */
export async function picture(): Promise<string> {
  const lines = `$ aksgw health demo\n${await printed()}`.trimEnd().split('\n');
  const width = Math.ceil(COLUMNS * CHARACTER + 2 * MARGIN);
  const height = lines.length * LINE + 2 * MARGIN;
  const text = lines.map((line, index) => {
    const shown = line.length > COLUMNS ? `${line.slice(0, COLUMNS - 1)}…` : line;
    return `<text x="${MARGIN}" y="${MARGIN + 12 + index * LINE}">${coloured(shown)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>aksgw health on a cluster in which much is wrong</title>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="12" fill="#c9d1d9" xml:space="preserve">
${text.join('\n')}
</g>
</svg>
`;
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const coloured = (line: string): string =>
  escaped(line).replace(
    /(^|\s)(ok|degraded|failing|unknown|not-allowed)(?=\s|,|$)/g,
    (_, before: string, word: string) => `${before}<tspan fill="${colours[word]}">${word}</tspan>`,
  );

if (process.argv[1] === import.meta.filename) writeFileSync(PICTURE, await picture());
