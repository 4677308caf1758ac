import type { CommandContext } from '../config/config.ts';
import type { CommandRequest, Invocation } from './invocation.ts';
import { interpretKubectl } from './kubectl/interpret.ts';
import { parse } from './parse.ts';
import { refuse } from './refuse.ts';

/**
 * What a command means: what Kubernetes will be asked, and the words and files that are sent for it. Throws Problem
 * `command-refused` with members `word` and `why`; nothing else, whatever the input.
 */
export function interpret(request: CommandRequest, context: CommandContext): Invocation {
  const parsed = parse(request.argv);
  if (parsed.tool === 'kubectl') return interpretKubectl(parsed, request, context);
  throw refuse('helm', 'is not relayed yet');
}
