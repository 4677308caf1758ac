import { mkdirSync, readFileSync, renameSync, unlinkSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** How az answers one call; `stdout` as it would print it. */
export interface AzAnswer {
  readonly code?: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

/** An az on PATH whose calls this process records and answers. */
export interface FakeAz {
  readonly calls: (readonly string[])[];
  close(): void;
}

/** The programs that the fake az itself needs. */
export const AZ_PROGRAMS = ['sh', 'cat', 'mv', 'rm', 'sleep'];

/** The value behind a flag. Throws where there is none: the call is not what the test expects. */
export const flag = (args: readonly string[], name: string): string => {
  const at = args.indexOf(name);
  const value = at === -1 ? undefined : args[at + 1];
  if (value === undefined) throw new Error(`az ${args.join(' ')}: no ${name}`);
  return value;
};

/**
 * Puts it into `bin`, which goes first on PATH. A shell script, since a Node process for each call takes longer than all the rest: it lays
 * down its arguments as a file and waits for its answer beside it.
 */
export function fakeAz(bin: string, answer: (args: readonly string[]) => AzAnswer | Promise<AzAnswer>): FakeAz {
  const box = join(bin, 'calls');
  mkdirSync(box, { recursive: true });
  writeFileSync(
    join(bin, 'az'),
    `#!/bin/sh
call='${box}'/$$
printf '%s\\0' "$@" >"$call.new"
mv "$call.new" "$call.args"
while [ ! -e "$call.code" ]; do sleep 0.02; done
read -r code <"$call.code"
cat "$call.out"
cat "$call.err" >&2
rm -f "$call".*
exit "$code"
`,
    { mode: 0o755 },
  );
  const reply = async (call: string, args: readonly string[]): Promise<void> => {
    const { code = 0, stdout = '', stderr = '' } = await answered(answer, args);
    writeFileSync(`${call}.out`, stdout);
    writeFileSync(`${call}.err`, stderr);
    writeFileSync(`${call}.tmp`, `${code}\n`);
    renameSync(`${call}.tmp`, `${call}.code`);
  };
  const calls: (readonly string[])[] = [];
  const watcher = watch(box, (_event, file) => {
    if (!file?.endsWith('.args')) return;
    const call = join(box, file.slice(0, -'.args'.length));
    const args = argsOf(`${call}.args`);
    if (!args) return;
    calls.push(args);
    void reply(call, args);
  });
  return { calls, close: () => watcher.close() };
}

/** What goes wrong in the test is az's own failure, with its words. */
async function answered(
  answer: (args: readonly string[]) => AzAnswer | Promise<AzAnswer>,
  args: readonly string[],
): Promise<AzAnswer> {
  try {
    return await answer(args);
  } catch (error) {
    return { code: 99, stderr: `${String(error)}\n` };
  }
}

/** Undefined where the call has been taken: a watcher may tell of one file twice. */
function argsOf(file: string): readonly string[] | undefined {
  try {
    const args = readFileSync(file, 'utf8');
    unlinkSync(file);
    return args.split('\0').slice(0, -1);
  } catch {
    return undefined;
  }
}
