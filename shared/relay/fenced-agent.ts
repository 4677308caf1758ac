import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';

type Connected = (error: Error | null, socket?: Socket) => void;
type Connect = (options: object, connected?: Connected) => Socket | undefined;

/** The fence refused: no byte of the request was written. */
class Fenced extends Error {
  override readonly name = 'Fenced';
}

/**
 * An agent for one request, with a connection of its own: a kept-alive one may die just as a POST is written, and then nobody knows whether
 * it arrived. Node writes a request as soon as it is given a connection, so it is given one only when that stands and `fence` lets it:
 * a process can stand still for long between a decision and the end of a TLS handshake (nodejs.org/api/http.html, "agent.createConnection").
 * When `fence` throws, the request fails with Fenced.
 */
export function fencedAgent(secure: boolean, fence: () => void): HttpAgent {
  const agent = secure ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false });
  const connect: Connect = agent.createConnection.bind(agent) as unknown as Connect;
  const fenced: Connect = (options, connected = () => undefined) => {
    const socket = connect(options);
    if (!socket) throw new TypeError('the agent gave no connection');
    const failed = (error: Error): void => connected(error);
    socket.once('error', failed);
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      socket.off('error', failed);
      try {
        fence();
      } catch (cause) {
        socket.destroy();
        return connected(new Fenced('the request was not written', { cause }));
      }
      connected(null, socket);
    });
    return undefined;
  };
  return Object.assign(agent, { createConnection: fenced });
}
