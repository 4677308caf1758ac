import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A second, independent Azure for tests: it answers with what the test gives it, byte for byte, over real sockets. */
export interface ReplayArm {
  readonly url: string;
  readonly requests: readonly ReplayRequest[];
  /** Answers from now on, in order for each kind of request; the last one stays. */
  script(kind: 'post' | 'result' | 'cluster', ...answers: readonly ReplayAnswer[]): void;
  /** Requests whose answer has not been taken in by the client yet. */
  answering(): number;
  close(): Promise<void>;
}

export interface ReplayRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type ReplayAnswer =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** The connection is cut, after the request was read. */
  | 'reset'
  /** Never answered. */
  | 'silence';

export async function startReplayArm(): Promise<ReplayArm> {
  const requests: ReplayRequest[] = [];
  const scripts = new Map<string, ReplayAnswer[]>();
  let answering = 0;
  const server = createServer((request, response) => {
    answering += 1;
    // A turn or two later the client has read it as well.
    response.once('close', () => setTimeout(() => (answering -= 1), 2));
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      requests.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
      const kind = method === 'POST' ? 'post' : url.includes('/commandResults/') ? 'result' : 'cluster';
      const answers = scripts.get(kind) ?? [];
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer === 'silence') return;
      if (answer === 'reset') {
        request.socket.destroy();
        return;
      }
      const { status, headers: given, body } = answer ?? { status: 404, body: '{"error":{"code":"NotScripted"}}' };
      response.writeHead(status, given);
      response.end(body);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    answering: () => answering,
    script: (kind, ...answers) => {
      scripts.set(kind, [...answers]);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
