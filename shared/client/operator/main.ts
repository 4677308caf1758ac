import type { Host } from '../host.ts';

/**
 * The operator's commands: they work on files, stores and Azure with the operator's own rights, and need no gateway. Loaded only
 * when asked for, since they bring the rooms they work on with them.
 */
export async function operator(argv: readonly string[], host: Host): Promise<number> {
  const [noun = '', verb, ...rest] = argv;
  const asked = `${noun} ${verb ?? ''}`.trim();
  const commands: Readonly<Record<string, () => Promise<number>>> = {
    'audit verify': async () => (await import('./audit/verify.ts')).verify(rest, host),
    'audit export': async () => (await import('./audit/export.ts')).exportEvents(rest, host),
    'audit open': async () => (await import('./audit/open.ts')).open(rest, host),
    'audit keys': async () => (await import('./audit/keys.ts')).keys(rest, host),
    'audit reconcile': async () => (await import('./audit/reconcile.ts')).reconcile(rest, host),
    'policy test': async () => (await import('./policy/test.ts')).testPolicy(rest, host),
    'policy lint': async () => (await import('./policy/lint.ts')).lint(rest, host),
    'policy diff': async () => (await import('./policy/diff.ts')).diff(rest, host),
    'policy who-can': async () => (await import('./policy/who-can.ts')).whoCanDo(rest, host),
    'policy explain': async () => (await import('./policy/explain.ts')).explainOffline(rest, host),
    'config sign': async () => (await import('./sign-config.ts')).signConfig(rest, host),
    'config check': async () => (await import('./check-config.ts')).checkConfig(rest, host),
    doctor: async () => (await import('./doctor.ts')).doctor(argv.slice(1), host),
  };
  if (verb === '--help' || verb === '-h') {
    const own = Object.keys(commands).filter((name) => name.startsWith(noun));
    if (noun !== 'doctor') {
      host.stdout.write(own.map((name) => `aksgw ${name} --help\n`).join(''));
      return 0;
    }
  }
  const command = commands[asked] ?? (noun === 'doctor' ? commands['doctor'] : undefined);
  if (command) return command();
  host.stderr.write(
    `aksgw: there is ${Object.keys(commands).join(', ')}; ${JSON.stringify(asked)} is not one of them\n`,
  );
  return 2;
}
