import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const START = '<!-- plan: written by npm run check:terraform -- --write -->';
const END = '<!-- end of plan -->';

/** What an example makes, by module, as a block for its README. */
export function planText(planned: readonly string[]): string {
  const byModule = new Map<string, string[]>();
  for (const address of planned) {
    const [, module = '', resource = ''] = /^((?:module\.[^.]+\.)*)(.+)$/.exec(address) ?? [];
    const part = module.slice(0, -1);
    byModule.set(part, [...(byModule.get(part) ?? []), resource]);
  }
  const parts = [...byModule].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = parts.flatMap(([module, resources]) => [
    module === '' ? 'the example itself' : module,
    ...resources.sort().map((resource) => `  + ${resource}`),
  ]);
  return ['```text', ...lines, '', `Plan: ${planned.length} to add, 0 to change, 0 to destroy.`, '```'].join('\n');
}

const readme = (folder: string): string => join(folder, 'README.md');

/** The block in an example's README; undefined when there is none. */
export function readPlan(folder: string): string | undefined {
  const text = readFileSync(readme(folder), 'utf8');
  const [start, end] = [text.indexOf(START), text.indexOf(END)];
  return start < 0 || end < start ? undefined : text.slice(start + START.length, end).trim();
}

/** Puts the block into an example's README, between its marks. */
export function writePlan(folder: string, plan: string): void {
  const text = readFileSync(readme(folder), 'utf8');
  const [start, end] = [text.indexOf(START), text.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`${readme(folder)} has no place for the plan: ${START} … ${END}`);
  writeFileSync(readme(folder), `${text.slice(0, start + START.length)}\n\n${plan}\n\n${text.slice(end)}`);
}
