import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { allCommands, flagsOf, type Flag } from '../../shared/command/grammar/grammar.ts';
import { parse } from '../../shared/command/parse.ts';
import type { Parsed } from '../../shared/command/parsed.ts';
import { Problem } from '../../shared/errors.ts';
import { findTools, toolRunner, type RunTool } from './tools.ts';
import { seed } from '../support/seed.ts';

/**
 * Random command lines read by us and by the real tool. A run is a process of 60 ms and more: few in CI, AKSGW_FUZZ_RUNS for more;
 * AKSGW_SEED draws others.
 */
const numRuns = Number(process.env['AKSGW_FUZZ_RUNS'] ?? 50);

const [kubectl] = findTools('kubectl');
// The grammar is helm 3's.
const helm = findTools('helm').find((path) => !/-4\.\d+$/u.test(path));
const named = (tool: string, path: string | undefined): string =>
  path === undefined ? `(skipped: no ${tool} on this machine)` : `${path.split('/').at(-1)}, seed ${seed}`;

type Tool = Parsed['tool'];

/** What reading came to: the command that was found and what was wrong first. */
interface FrameReading {
  readonly command: string;
  readonly error: string;
}

const NO_COMMAND: FrameReading = { command: '', error: 'no command' };

/** Ours, in the tool's terms. Undefined when the gateway refuses what the tool would take. */
function ours(tool: Tool, argv: readonly string[]): FrameReading | undefined {
  try {
    const { path } = parse([tool, ...argv]);
    return { command: path.join(' '), error: 'none' };
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'command-refused') throw error;
    const { word, why } = error.options.members ?? {};
    if (typeof word !== 'string' || typeof why !== 'string') throw error;
    if (why.startsWith('is refused')) return undefined;
    if (/no .* command was found|has no such command/u.test(why)) return NO_COMMAND;
    const command = /^\w+ (?<path>.*) has no such flag/u.exec(why)?.groups?.['path'] ?? '?';
    if (why.includes('no such flag')) return { command, error: `unknown ${word}` };
    if (why.includes('no such sub-command')) return { command: '?', error: 'none' };
    if (why.includes('is not how a flag is spelt')) return { command: '?', error: `syntax ${word}` };
    if (why.includes('needs a value')) return { command: '?', error: `argument ${word}` };
    return { command: '?', error: `value ${word.replace(/=[^]*$/u, '')}` };
  }
}

/** The tool's, from what it prints: `See 'kubectl get --help' for usage.` names the command. */
function theirs(tool: Tool, text: string): FrameReading {
  const command =
    new RegExp(`^See '${tool} ?(?<path>.*) --help' for usage\\.$`, 'mu').exec(text)?.groups?.['path'] ?? '?';
  const find = (pattern: RegExp): string | undefined => pattern.exec(text)?.[1];
  if (/unknown command "|flags cannot be placed before plugin name/u.test(text)) return NO_COMMAND;
  const long = find(/unknown flag: (--[^\n]*)/u);
  if (long !== undefined) return command === '' ? NO_COMMAND : { command, error: `unknown ${long}` };
  const short = find(/unknown shorthand flag: '(.)' in -/u);
  if (short !== undefined) return command === '' ? NO_COMMAND : { command, error: `unknown -${short}` };
  const syntax = find(/bad flag syntax: ([^\n]*)/u);
  if (syntax !== undefined) return command === '' ? NO_COMMAND : { command, error: `syntax ${syntax}` };
  const argument = find(/flag needs an argument: (--\S+)/u) ?? find(/flag needs an argument: '.' in (-\S)/u);
  if (argument !== undefined) return command === '' ? NO_COMMAND : { command, error: `argument ${argument}` };
  const value = find(/invalid argument ".*" for "([^"]+)" flag/u);
  if (value !== undefined) return command === '' ? NO_COMMAND : { command, error: `value ${value}` };
  return { command, error: 'none' };
}

/** Both name a flag that has a short form differently (`-f` here, `-f, --filename` there). */
function agree(mine: FrameReading, real: FrameReading): boolean {
  // helm does not say which command it thinks it reads.
  if (mine === NO_COMMAND && real.command === '?') return real.error !== 'none';
  const sameCommand = mine.command === '?' || real.command === '?' || mine.command === real.command;
  if (!sameCommand) return false;
  if (!mine.error.startsWith('value ') || !real.error.startsWith('value ')) return mine.error === real.error;
  const spelt = mine.error.slice('value '.length).replaceAll('_', '-');
  return real.error.slice('value '.length).split(', ').includes(spelt);
}

const values = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('x', 'shop', '5', '30s', 'true', 'client', 'a=b') },
  fc.constantFrom(
    '',
    'T',
    'FALSE',
    'maybe',
    '5',
    '1.5',
    '1h2m',
    '-1',
    'a,b',
    '"a,b"',
    'a"b',
    '--output',
    '-n',
    '-',
    'é',
    'x y',
    'a\nb',
  ),
  fc.string({ maxLength: 6 }).filter((text) => !/[\0]/u.test(text) && !text.includes('--')),
);

/** One use of a flag, in any spelling: with `=`, beside its letter, as the next word, in a cluster, with underscores. */
function usage(flags: readonly Flag[]): fc.Arbitrary<string[]> {
  return fc
    .record({
      flag: fc.constantFrom(...flags),
      letter: fc.boolean(),
      form: fc.constantFrom('=', 'beside', 'next', 'next', 'bare'),
      underscores: fc.boolean(),
      before: fc.constantFrom('', '', '', 'A', 'R', 'w'),
      value: values,
    })
    .map(({ flag, letter, form, underscores, before, value }) => {
      const useLetter = letter && flag.short !== undefined;
      const name = underscores ? flag.name.replaceAll('-', '_') : flag.name;
      const word = useLetter ? `-${before}${flag.short}` : `--${name}`;
      if (form === '=') return [`${word}=${value}`];
      if (form === 'beside' && useLetter) return [`${word}${value}`];
      if (form === 'next' && flag.type !== 'bool' && flag.type !== 'switch') return [word, value];
      return [word];
    });
}

/** helm looks at the values of some while it reads flags, the gateway later; maps have two grammars, and the gateway takes neither's quotes. */
const isPlain = ({ name, type }: Flag): boolean =>
  type !== 'map' && !['output', 'post-renderer', 'post-renderer-args'].includes(name);

/** A command's words in order, with flags and other words anywhere among and behind them. */
function lines(tool: Tool, version: string): fc.Arbitrary<string[]> {
  const here = ({ since, gone }: { since: string | undefined; gone: string | undefined }): boolean =>
    (since === undefined || !later(since, version)) && (gone === undefined || later(gone, version));
  const junk = fc.constantFrom('---x', '--=x', '-=', '-', '--nope', '-Z', '-9', '--nope=1', '--no_pe', '--name');
  const word = fc.constantFrom('pods', 'x', 'get', 'delete', 'create', 'cm', 'deploy', 'a/b', 'a=b', '', '@x', 'é');
  const commands = allCommands(tool).filter(here);
  const any = fc.constantFrom(...commands).chain((command) => {
    const known = flagsOf(tool, command.path).filter((flag) => here(flag) && isPlain(flag));
    const other = commands.flatMap(({ path }) =>
      flagsOf(tool, path).filter((flag) => here(flag) && flag.own && isPlain(flag)),
    );
    const piece = fc.oneof(
      { weight: 6, arbitrary: usage(known) },
      { weight: 1, arbitrary: usage(other) },
      { weight: 1, arbitrary: junk.map((text) => [text]) },
      { weight: 2, arbitrary: word.map((text) => [text]) },
    );
    return fc
      .tuple(fc.array(piece, { maxLength: 5 }), fc.array(fc.nat({ max: 5 }), { minLength: 3, maxLength: 3 }))
      .map(([pieces, places]) => {
        const all = [...pieces];
        let from = 0;
        // Mostly in front, where commands stand; sometimes behind flags.
        for (const [at, text] of command.path.entries()) {
          const place = Math.max(from, (places[at] ?? 0) > 3 ? Math.min(1, all.length) : from);
          all.splice(place, 0, [text]);
          from = place + 1;
        }
        return all.flat();
      });
  });
  // Nothing may be left to run: two flags that do not exist end every line, of which at most one is swallowed as a value.
  return any.filter((argv) => !argv.includes('--')).map((argv) => [...argv, '--zz1', '--zz2']);
}

/** Whether a version such as `1.34` is later than another. */
const later = (a: string, b: string): boolean => a.localeCompare(b, 'en', { numeric: true }) > 0;

/** What the name of the program tells; the newest where it tells nothing, so that nothing is left out. */
const versionOf = (path: string): string => /\d+\.\d+$/u.exec(path)?.[0] ?? '999';

async function compare(tool: Tool, run: RunTool, version: string): Promise<number> {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(lines(tool, version), async (argv) => {
      const mine = ours(tool, argv);
      fc.pre(mine !== undefined);
      compared++;
      const { stdout, stderr } = await run(argv);
      const real = theirs(tool, stdout + stderr);
      if (!agree(mine, real)) {
        throw new Error(
          `${JSON.stringify(argv)}: ${JSON.stringify(mine)}, but the tool: ${JSON.stringify(real)} ${stderr.slice(0, 300)}`,
        );
      }
    }),
    { seed, numRuns, maxSkipsPerRun: 1000 },
  );
  return compared;
}

describe('our parser and kubectl', () => {
  const run = kubectl === undefined ? undefined : toolRunner(kubectl);
  const it = run === undefined ? test.skip : test;

  it(`find the same command and stop at the same word (${named('kubectl', kubectl)})`, async () => {
    if (run === undefined) return;
    expect(await compare('kubectl', run, versionOf(kubectl ?? ''))).toBeGreaterThanOrEqual(numRuns);
  }, 600_000);

  it(`read the same name, namespace and data (${named('kubectl', kubectl)})`, async () => {
    if (run === undefined) return;
    let understood = 0;
    await fc.assert(
      fc.asyncProperty(creations, async (argv) => {
        const mine = tryParse(argv);
        const { code, stdout, stderr } = await run(argv);
        if (mine === undefined) {
          expect({ argv, code }).not.toEqual({ argv, code: 0 });
          return;
        }
        if (code !== 0) {
          expect(theirs('kubectl', stderr)).toMatchObject({ error: 'none' });
          return;
        }
        understood++;
        expect({ argv, object: seen(stdout) }).toEqual({ argv, object: expected(mine) });
      }),
      { seed, numRuns },
    );
    expect(understood).toBeGreaterThan(numRuns / 5);
  }, 600_000);
});

describe('our parser and helm', () => {
  const run = helm === undefined ? undefined : toolRunner(helm);
  const it = run === undefined ? test.skip : test;

  it(`stop at the same word (${named('helm', helm)})`, async () => {
    if (run === undefined) return;
    expect(await compare('helm', run, versionOf(helm ?? ''))).toBeGreaterThanOrEqual(numRuns);
  }, 600_000);
});

test(`parse throws nothing but command-refused, whatever the words (seed ${seed})`, () => {
  const words = fc.array(
    fc.oneof(fc.string(), fc.constantFrom('kubectl', 'helm', 'get', '--', '-n', '-A', '--raw', '-o=', '\ud800', '\0')),
  );
  fc.assert(
    fc.property(fc.constantFrom<Tool>('kubectl', 'helm'), words, (tool, argv) => {
      expect(() => ours(tool, argv)).not.toThrow();
    }),
    { seed, numRuns: 2000 },
  );
});

/** `create configmap` in all manners of writing: the one command whose object shows every kind of flag, and which asks no cluster. */
const creations = fc
  .record({
    name: fc.constantFrom(['web'], ['x1'], ['web', 'more'], []),
    namespace: fc.array(
      fc.oneof(
        fc
          .constantFrom('a', 'shop', 'kube-system')
          .chain((value) =>
            fc.constantFrom(
              [`-n${value}`],
              [`-n=${value}`],
              ['-n', value],
              [`--namespace=${value}`],
              ['--namespace', value],
              [`--name_space=${value}`],
            ),
          ),
      ),
      { maxLength: 2 },
    ),
    literals: fc.array(
      fc
        .tuple(
          fc.constantFrom('--from-literal', '--from_literal'),
          fc.constantFrom('a', 'b.c', 'd-e', 'n'),
          fc.constantFrom('1', 'x=y', 'a,b', '"q"', '-n', '--output', '', 'é'),
        )
        .chain(([flag, key, value]) => fc.constantFrom([`${flag}=${key}=${value}`], [flag, `${key}=${value}`])),
      { maxLength: 3 },
    ),
    dryRun: fc.constantFrom(['--dry-run=client'], ['--dry-run'], ['--dry_run=client']),
    output: fc.constantFrom(['-ojson'], ['-o', 'json'], ['-o=json'], ['--output=json'], ['--output', 'json']),
    others: fc.array(
      fc.constantFrom(
        ['--append-hash=F'],
        ['--save-config=false'],
        ['--validate'],
        ['--validate=false'],
        ['-v0'],
        ['-v', '0'],
        ['--'],
        ['--warnings-as-errors=0'],
      ),
      {
        maxLength: 2,
      },
    ),
    alias: fc.constantFrom('cm', 'configmap'),
    order: fc.array(fc.nat(), { minLength: 20, maxLength: 20 }),
  })
  .map(({ name, namespace, literals, dryRun, output, others, alias, order }) => {
    const pieces = [...name.map((word) => [word]), ...namespace, ...literals, dryRun, output, ...others];
    const shuffled = pieces.map((piece, at) => ({ piece, key: order[at] ?? 0 })).toSorted((a, b) => a.key - b.key);
    // What comes behind `--` is a name: without the flags that make it a dry run it would ask the cluster.
    return ['create', alias, '--dry-run=client', '-ojson', ...shuffled.flatMap(({ piece }) => piece)];
  });

function tryParse(argv: readonly string[]): Parsed | undefined {
  try {
    return parse(['kubectl', ...argv]);
  } catch (error) {
    if (error instanceof Problem && error.code === 'command-refused') return undefined;
    throw error;
  }
}

interface Seen {
  readonly name: unknown;
  readonly namespace: unknown;
  readonly data: unknown;
}

function seen(stdout: string): Seen {
  const object = JSON.parse(stdout) as { metadata: { name: unknown; namespace?: unknown }; data?: unknown };
  return { name: object.metadata.name, namespace: object.metadata.namespace, data: object.data ?? {} };
}

function expected({ args, flags }: Parsed): Seen {
  const data = (flags.get('from-literal') ?? []).map((pair) => [
    pair.slice(0, pair.indexOf('=')),
    pair.slice(pair.indexOf('=') + 1),
  ]);
  return { name: args[0], namespace: flags.get('namespace')?.at(-1), data: Object.fromEntries(data) as unknown };
}
