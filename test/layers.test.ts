import { describe, expect, test } from '@jest/globals';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'shared/README.md'), 'utf8');

/** Ground floor first; a file imports only from floors below its own, or from its own room. */
const floors = [
  ['lib', 'errors', 'clock', 'secret', 'config', 'kubernetes'],
  ['identity', 'command', 'store'],
  ['policy', 'audit', 'relay'],
  ['admission'],
  ['gateway'],
  ['telemetry'],
  ['jobs', 'notify', 'chat', 'health'],
  ['http'],
  ['open-stores', 'sweep', 'notices'],
  ['assemble'],
];
const floorOf = new Map(floors.flatMap((rooms, floor) => rooms.map((room) => [room, floor] as const)));
/** Within the ground floor, the one order that is allowed. */
const within = new Set([
  'lib>clock',
  'lib>errors',
  'config>lib',
  'config>errors',
  'config>clock',
  'config>secret',
  'config>kubernetes',
  'kubernetes>lib',
  'kubernetes>errors',
]);

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const imports: readonly Import[] = globSync('{shared,functions,infra/local}/**/*.ts', { cwd: root }).flatMap((from) => {
  const text = readFileSync(join(root, from), 'utf8');
  return [
    ...text.matchAll(/^(?:import|export)\s(?:(type)\s)?[^;']*?from '([^']+)'|import\('([^']+)'\)|^import '([^']+)'/gm),
  ].map((match) => {
    const target = match[2] ?? match[3] ?? match[4] ?? '';
    const to = target.startsWith('.') ? relative(root, join(root, dirname(from), target)) : target;
    return { from, to, typeOnly: match[1] === 'type' };
  });
});

const roomOf = (path: string): string => (path.split('/')[1] ?? '').replace(/\.ts$/, '');

describe('the rooms', () => {
  test('import only from floors below their own', () => {
    const wrong = imports.filter(({ from, to }) => {
      if (!from.startsWith('shared/') || !to.startsWith('shared/')) return false;
      const [source, target] = [roomOf(from), roomOf(to)];
      if (source === target || source === 'client') return false;
      const [above, below] = [floorOf.get(source), floorOf.get(target)];
      if (above === undefined || below === undefined) return true;
      return !(below < above || within.has(`${source}>${target}`));
    });
    expect(wrong).toEqual([]);
  });

  test('stand on the floors that shared/README.md names', () => {
    const said = /imports only from floors below its own: ([^.]*)\./.exec(readme)?.[1] ?? '';
    const named = said.split(/\s*·\s*/).map((floor) => floor.split(/,\s+/).toSorted());
    expect(named).toEqual([...floors.map((rooms) => rooms.toSorted()), ['functions']]);
    const there = readdirSync(join(root, 'shared'))
      .filter((name) => !name.endsWith('.md'))
      .map((name) => name.replace(/\.ts$/, ''));
    expect(there.filter((room) => room !== 'client' && !floorOf.has(room))).toEqual([]);
    expect([...floorOf.keys()].filter((room) => !there.includes(room))).toEqual([]);
  });

  test('of which the client imports errors, schema types, the data of the grammar and what hides data, its operator commands the rooms they work on', () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        from.startsWith('shared/client/') &&
        to.startsWith('shared/') &&
        !/^shared\/(client\/|errors\.ts|lib\/|http\/schemas\.ts|command\/(?:grammar\/(?:grammar|file-flags)|redact-words)\.ts)/.test(
          to,
        ) &&
        !from.startsWith('shared/client/operator/'),
    );
    expect(wrong).toEqual([]);
  });

  test('know no host: @azure/functions is imported by the entrances alone', () => {
    const users = imports.filter(({ to }) => to.startsWith('@azure/functions')).map(({ from }) => from);
    expect([...new Set(users)].sort()).toEqual([
      'functions/deliveries.ts',
      'functions/http.ts',
      'functions/jobs.ts',
      'functions/sweep.ts',
    ]);
  });

  test('never reach into infra/local or test', () => {
    const wrong = imports.filter(({ from, to }) => !from.startsWith('infra/') && /^(infra|test)\//.test(to));
    expect(wrong).toEqual([]);
  });
});

describe('the way of one command', () => {
  const section = /### One command in eight files\n([^]*?)\n#/.exec(readme)?.[1];
  const named = [...(section ?? '').matchAll(/^\d+\. `([^`]+)`/gm)].map((match) => match[1] ?? '');

  test('is in at most eight files, which shared/README.md names, from the entrance on', () => {
    expect(named.length).toBeGreaterThan(4);
    expect(named.length).toBeLessThanOrEqual(8);
    expect(named[0]).toBe('functions/http.ts');
    expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  test('leads from file to file: the entrance imports each of them, by way of others', () => {
    const reached = new Set(['functions/http.ts']);
    // A set is walked to the end of what is added to it meanwhile.
    for (const file of reached) for (const { from, to } of imports) if (from === file) reached.add(to);
    expect(named.filter((file) => !reached.has(file))).toEqual([]);
  });
});
