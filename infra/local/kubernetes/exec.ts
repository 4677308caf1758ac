import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/** What a program in a container came to. */
export interface ExecEnd {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** Runs words in a container of the pod. */
export type Exec = (words: readonly string[]) => Promise<ExecEnd>;

/** Protocols of the remote command endpoint, the newest first (k8s.io/apimachinery/pkg/util/remotecommand). */
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const channels = { stdout: 1, stderr: 2, error: 3 } as const;
/** RFC 6455, section 1.3. */
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Answers an exec over a WebSocket, as kubectl asks for it. Input is not read: nothing here sends any. */
export async function answerExec(request: IncomingMessage, socket: Duplex, words: readonly string[], exec: Exec) {
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((word) => word.trim());
  const protocol = protocols.find((one) => offered.includes(one)) ?? '';
  const accept = createHash('sha1')
    .update(`${request.headers['sec-websocket-key'] ?? ''}${ACCEPT_GUID}`)
    .digest('base64');
  socket.resume();
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\nsec-websocket-protocol: ${protocol}\r\n\r\n`,
  );
  const { exitCode, stdout, stderr } = await exec(words);
  if (stdout.length > 0) socket.write(frame(channels.stdout, stdout));
  if (stderr.length > 0) socket.write(frame(channels.stderr, stderr));
  socket.write(frame(channels.error, Buffer.from(JSON.stringify(statusOf(exitCode)))));
  // A close frame with code 1000 (RFC 6455, section 5.5.1).
  socket.end(Buffer.from([0x88, 0x02, 0x03, 0xe8]));
}

const statusOf = (exitCode: number) =>
  exitCode === 0
    ? { metadata: {}, status: 'Success' }
    : {
        metadata: {},
        status: 'Failure',
        reason: 'NonZeroExitCode',
        message: `command terminated with non-zero exit code: exit status ${exitCode}`,
        details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
      };

/** One binary message, unmasked, its first byte the channel. */
function frame(channel: number, data: Buffer): Buffer {
  const length = data.length + 1;
  const head = length < 126 ? Buffer.from([0x82, length]) : Buffer.alloc(10);
  if (length >= 126) {
    head[0] = 0x82;
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, Buffer.from([channel]), data]);
}
