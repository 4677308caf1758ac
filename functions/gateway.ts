import type { Assembled } from '../shared/assemble.ts';
import { checkSettings } from './settings.ts';
import { version } from './version.ts';

/** The worker hands its standard error to the host's own log. */
const log = { level: 'info', stream: process.stderr };

const loadCode = () => import('../shared/assemble.ts');

let assembled: Promise<Assembled> | undefined;

/**
 * The one gateway of this process, made with the first request: a worker that is only a placeholder has another environment
 * (functionEnvironmentReloadRequest), so nothing of it is read at import. A start that failed is tried again with the next request.
 */
export function gateway(): Promise<Assembled> {
  assembled ??= start().catch((error: unknown) => {
    assembled = undefined;
    throw error;
  });
  return assembled;
}

/**
 * Loads code alone, ahead of the first request: no environment, no configuration. Loading holds the thread for a tenth of a second
 * (Node links what it imports synchronously), so it begins when the host has its functions, and its first answer if one is due.
 */
export function preloadGateway(): void {
  soon(loadCode);
}

/** Starts the gateway after the answer that is now being given. */
export function startGateway(): void {
  soon(gateway);
}

/** Of a failure hears the request that needs the gateway, and the log by it. */
const soon = (begin: () => Promise<unknown>): void => {
  setImmediate(() => void begin().catch(() => undefined));
};

async function start(): Promise<Assembled> {
  checkSettings(process.env, 'functions');
  const { assemble } = await loadCode();
  return assemble({
    location: process.env['AKSGW_CONFIG'] ?? '',
    env: process.env,
    entrance: 'functions',
    version,
    logger: log,
  });
}

/** At the worker's end: gives running commands to the next process and closes the trail. */
export async function closeGateway(): Promise<void> {
  const ending = await assembled?.catch(() => undefined); // one that never started has nothing to close
  await ending?.close();
}
