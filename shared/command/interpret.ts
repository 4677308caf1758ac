import type { CommandContext } from '../config/config.ts';
import { interpretHelm } from './helm/interpret.ts';
import type { CommandRequest, Invocation } from './invocation.ts';
import { interpretKubectl } from './kubectl/interpret.ts';
import { parse } from './parse.ts';

/**
 * What a command means: what Kubernetes will be asked, and the words and files that are sent for it. Throws Problem
 * `command-refused` with members `word` and `why`; nothing else, whatever the input.
 */
export function interpret(request: CommandRequest, context: CommandContext): Invocation {
  const parsed = parse(request.argv);
  return parsed.tool === 'kubectl'
    ? interpretKubectl(parsed, request, context)
    : interpretHelm(parsed, request, context);
}
