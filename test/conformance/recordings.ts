import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALL_NAMESPACES, describeAttributes, type ResourceAttributes } from '../../shared/kubernetes/attributes.ts';

/**
 * What a real API server wrote into its audit log while real tools ran the very words that the gateway sends; made by
 * record/record.ts. One file a version of kubectl: the newest whole, of each other only what differs from it.
 */
export interface Recording {
  readonly recorded: string;
  readonly server: string;
  readonly kubectl: string;
  /** Set in a file of differences: the version that it is held against. */
  readonly differsFrom?: string;
  readonly states: Readonly<Record<string, string>>;
  readonly commands: readonly RecordedCommand[];
}

export interface RecordedCommand {
  readonly command: string;
  /** The words that were run. */
  readonly sent: readonly string[];
  /** By state: the requests as describeAttributes writes them, each once, ` -> 404` behind those that failed. */
  readonly asked: Readonly<Record<string, readonly string[]>>;
}

export const RECORDINGS = join(import.meta.dirname, 'recordings');

/** The whole one first. */
export function readRecordings(): Recording[] {
  return readdirSync(RECORDINGS)
    .filter((name) => /^kubectl-.*\.json$/u.test(name))
    .map((name) => JSON.parse(readFileSync(join(RECORDINGS, name), 'utf8')) as Recording)
    .toSorted((a, b) => Number(a.differsFrom !== undefined) - Number(b.differsFrom !== undefined));
}

/** A request and the status of a failure. */
export interface RecordedRequest {
  readonly asked: ResourceAttributes;
  readonly failed: number | undefined;
}

export const writeRequest = ({ asked, failed }: RecordedRequest): string =>
  `${describeAttributes(asked)}${failed === undefined ? '' : ` -> ${failed}`}`;

const REQUEST =
  /^(?<verb>\S+) (?<resource>[a-z0-9-]+)(?:\.(?<group>[^/ ]+))?(?:\/(?<subresource>\S+))?(?: (?!in )(?<name>\S+))?(?: in (?<namespace>all namespaces|\S+))?(?: -> (?<failed>\d+))?$/u;

/** The inverse of writeRequest. */
export function readRequest(text: string): RecordedRequest {
  const groups = REQUEST.exec(text)?.groups;
  if (groups === undefined) throw new Error(`Not a recorded request: ${text}`);
  const { verb = '', resource = '', group = '', subresource = '', name = '', namespace = '', failed } = groups;
  return {
    asked: {
      verb,
      group,
      resource,
      subresource,
      namespace: namespace === 'all namespaces' ? ALL_NAMESPACES : namespace,
      name,
    },
    failed: failed === undefined ? undefined : Number(failed),
  };
}

/** One line for each command and state, so that a change reads well as a diff. */
export function renderRecording(head: Readonly<Record<string, unknown>>, commands: readonly RecordedCommand[]): string {
  const members = Object.entries(head).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  const lines = commands.map(({ command, sent, asked }) => {
    const states = Object.entries(asked).map(
      ([state, requests]) => `  ${JSON.stringify(state)}: ${JSON.stringify(requests)}`,
    );
    return `{"command": ${JSON.stringify(command)},\n "sent": ${JSON.stringify(sent)},\n "asked": {\n${states.join(',\n')}}}`;
  });
  return `{${members.join(',\n')},\n"commands": [\n${lines.join(',\n')}\n]}\n`;
}
