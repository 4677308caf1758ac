import type { FastifyInstance } from 'fastify';

type Log = FastifyInstance['log'];

/** What happens in the background, for the log. That comes with the app: messages until then wait for it. */
export interface Messages {
  /** Gets what failed where no caller waits for it. */
  readonly report: (error: unknown) => void;
  readonly warn: (warning: Error | string) => void;
  readonly sendTo: (log: Log) => void;
}

export function createMessages(): Messages {
  let log: Log | undefined;
  const early: ((log: Log) => void)[] = [];
  const say = (message: (log: Log) => void): void => (log ? message(log) : void early.push(message));
  return {
    report: (error) => say((to) => to.error({ err: error }, 'something failed in the background')),
    warn: (warning) =>
      say((to) => (typeof warning === 'string' ? to.warn(warning) : to.warn({ err: warning }, warning.message))),
    sendTo: (opened) => {
      log = opened;
      for (const message of early) message(opened);
    },
  };
}
