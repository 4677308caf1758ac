import { join } from 'node:path';
import { eventCodes, outcomeEvents } from '../../../shared/audit/events.ts';
import { createFileLog } from '../../../shared/store/file-log.ts';

/** What the trail says of one command. */
interface Told {
  intents: number;
  outcomes: number;
  readonly codes: string[];
}

const ends = new Set<string>(outcomeEvents.map((event) => eventCodes[event]));

export const trailIn = (folder: string) => createFileLog({ folder: join(folder, 'gateway/data/audit') });

/** By the command's id, those of the gateway's own among them. */
export async function readTrail(folder: string): Promise<ReadonlyMap<string, Told>> {
  const told = new Map<string, Told>();
  const log = trailIn(folder);
  for (const stream of await log.streams())
    for await (const { text, complete } of log.read(stream)) {
      if (!complete) continue;
      const { code, commandId } = JSON.parse(text) as { readonly code: string; readonly commandId?: string };
      if (commandId === undefined) continue;
      const found = told.get(commandId) ?? { intents: 0, outcomes: 0, codes: [] };
      if (code === eventCodes['command.intended']) found.intents += 1;
      if (ends.has(code)) found.outcomes += 1;
      found.codes.push(code);
      told.set(commandId, found);
    }
  return told;
}

/** Commands that were intended and have no outcome yet. */
export const openIn = (told: ReadonlyMap<string, Told>): readonly string[] =>
  [...told].filter(([, { intents, outcomes }]) => intents > outcomes).map(([id]) => id);
