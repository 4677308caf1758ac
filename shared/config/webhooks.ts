import { isIP } from 'node:net';
import { settingFault } from './environment.ts';
import type { Webhook } from './config.ts';
import type { Path, Report } from './problem.ts';
import type { ConfigFile, WebhookFile } from './schema.ts';
import { isEnvName, isLoopback, isName } from './values.ts';

/** What a webhook may list beside the ends of commands and looks, which it is sent by name (`notify`). */
export const jobEvents = [
  'job.fired',
  'job.failed',
  'job.missed',
  'job.overlapped',
  'job.suspended',
  'job.run-by-hand',
] as const;
export type JobEventName = (typeof jobEvents)[number];
const later = /^approval\.[a-z*-]+$/;

interface Surroundings {
  readonly env: NodeJS.ProcessEnv | undefined;
  /** The gateway listens on this machine alone: then it may deliver to it, over http too. */
  readonly onLoopback: boolean;
}

/** The section `webhooks`: where the gateway may send to. */
export function readWebhooks(file: ConfigFile, around: Surroundings, report: Report): ReadonlyMap<string, Webhook> {
  const webhooks = new Map<string, Webhook>();
  for (const [name, one] of Object.entries(file.webhooks ?? {})) {
    const at = (...path: Path): Path => ['webhooks', name, ...path];
    if (!isName(name)) report.problem(at(), 'a webhook\'s name is letters, digits, ".", "_" and "-", at most 63');
    webhooks.set(name, readWebhook(name, one, at, around, report));
  }
  return webhooks;
}

function readWebhook(
  name: string,
  file: WebhookFile,
  at: (...path: Path) => Path,
  { env, onLoopback }: Surroundings,
  report: Report,
): Webhook {
  const { url, urlEnv, secretEnv, profile = 'json', output = false, hosts = [] } = file;
  const fromEnv = (variable: string, path: Path): string | undefined => {
    const fault = env && settingFault(env, variable);
    if (!isEnvName(variable)) report.problem(path, `"${variable}" is not the name of an environment variable`);
    else if (fault !== undefined) report.problem(path, `the environment variable ${variable} ${fault}`, variable);
    return env?.[variable];
  };
  if ((url === undefined) === (urlEnv === undefined)) report.problem(at(), 'needs exactly one of url and urlEnv');
  if (url !== undefined && profile !== 'json')
    report.problem(at('url'), `the address of an incoming webhook of ${profile} is a secret: give it by urlEnv`);
  const address = url ?? (urlEnv === undefined ? undefined : fromEnv(urlEnv, at('urlEnv')));
  if (address !== undefined) checkAddress(address, at(url === undefined ? 'urlEnv' : 'url'), file, onLoopback, report);
  const secret = secretEnv === undefined ? undefined : fromEnv(secretEnv, at('secretEnv'));
  if (secretEnv === undefined && profile === 'json')
    report.problem(
      at('secretEnv'),
      'is missing: without a signature anybody could send what a receiver takes for ours',
    );
  if (secret !== undefined && !isSecret(secret))
    report.problem(at('secretEnv'), 'must hold whsec_ and the base64 of 24 to 64 random bytes (Standard Webhooks)');
  if (hosts.length > 0 && file.private !== true) report.problem(at('hosts'), 'is for private: true');
  if (file.private === true && hosts.length === 0)
    report.problem(at('hosts'), 'is missing: private: true allows what it names');
  const events = (file.events ?? []).flatMap((event, index) => readEvent(event, at('events', index), report));
  return { name, url, urlEnv, secretEnv, profile, events, output, private: file.private === true, hosts };
}

/** Words of an address never go into a message: it may be a secret. */
function checkAddress(
  text: string,
  path: Path,
  { private: isPrivate, hosts = [] }: WebhookFile,
  onLoopback: boolean,
  report: Report,
): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    return report.problem(path, 'is not an https address');
  const here = isLoopback(url.hostname);
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    report.problem(path, 'must not hold a user name, a password or a fragment');
  if (here && !onLoopback)
    report.problem(path, 'leads to this machine itself: only a gateway that listens on loopback delivers there');
  if (url.protocol === 'http:' && !here) report.problem(path, 'must be https');
  if (isPrivate === true && !hosts.includes(bareHost(url))) report.problem(path, 'is on no host that hosts names');
}

/** Without the brackets of an IPv6 address. */
export const bareHost = ({ hostname }: URL): string => {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(bare) === 6 ? bare : hostname;
};

/** The key of a Standard Webhooks signature (standardwebhooks.com, "Signature scheme"). */
const isSecret = (text: string): boolean => {
  if (!/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(text)) return false;
  const { length } = Buffer.from(text.slice('whsec_'.length), 'base64');
  return length >= 24 && length <= 64;
};

function readEvent(event: string, path: Path, report: Report): readonly string[] {
  if (event === 'job.*') return jobEvents;
  if ((jobEvents as readonly string[]).includes(event)) return [event];
  if (later.test(event)) report.warning(path, 'approvals are not built yet: nothing is sent of them');
  else report.problem(path, `no event is called "${event}": ${jobEvents.join(', ')}`);
  return [];
}
