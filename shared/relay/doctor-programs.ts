import { quote } from '../command/quote.ts';

/** Looked for in the pod; kubectl and helm must be there, the others make the launcher's work easier. */
export const tools = [
  'kubectl',
  'helm',
  'gzip',
  'base64',
  'sha256sum',
  'mkfifo',
  'head',
  'sleep',
  'setsid',
  'jq',
  'awk',
] as const;

/** 600 kB: more than the documented limit. */
export const OUTPUT_LINES = 75_000;

/** Numbered lines, so that what is missing can be told. */
export const OUTPUT_PROGRAM = `awk 'BEGIN { for (i = 0; i < ${OUTPUT_LINES}; i++) printf "%07d\\n", i }' || seq -f %07.0f 0 ${OUTPUT_LINES - 1}`;

/**
 * Prints what the pod is like, one finding a line behind a mark, so that nothing else is taken for one. Changes nothing except a
 * folder that it makes and removes to see whether it can.
 */
export function podProgram(mark: string): string {
  const say = (name: string, command: string): string =>
    `printf '%s %s=%s\\n' ${mark} ${quote(name)} "\`${command}\`";`;
  return [
    say('shell', 'readlink /proc/${$}/exe || echo $0'),
    say('pwd', 'pwd'),
    say('user', 'id'),
    say('home', 'echo $HOME'),
    say('kubeconfig', 'echo $KUBECONFIG'),
    say('namespace', 'cat /var/run/secrets/kubernetes.io/serviceaccount/namespace'),
    say('file', 'cat doctor/sub/file.txt'),
    say('hidden', 'cat .aksgw/probe'),
    say(
      'writable',
      `for d in $TMPDIR /tmp /dev/shm /var/tmp $HOME .; do mkdir $d/aksgw-${mark} && rmdir $d/aksgw-${mark} && printf '%s ' $d; done`,
    ),
    // The one place where this is sent on purpose: to see whether Kubernetes expands it.
    `printf '%s expansion=%s\\n' ${mark} '$(HOSTNAME) $$';`,
    ...tools.map((tool) => say(`tool ${tool}`, `command -v ${tool}`)),
    say('kubectl version', "kubectl version --client -o json | tr -d '\\n '"),
    say('helm version', 'helm version --short'),
  ].join(' ');
}

/** Sends itself a signal, the way by which a cancel reaches a launcher: through kubectl exec into its own pod. Changes nothing. */
export const execProgram = (mark: string): string =>
  [
    `p=\${HOSTNAME:-\`hostname\`}; printf '%s pod=%s\\n' ${mark} "$p"; s=no; trap 's=yes' TERM;`,
    `kubectl exec -n aks-command "$p" -c user-command -- sh -c "kill -TERM \${$}";`,
    `printf '%s signalled=%s\\n' ${mark} "$s";`,
    `printf '%s pods=%s\\n' ${mark} "\`kubectl get pods -n aks-command -o json | sed -n -e 's/.*"name": "command-[0-9a-f]*".*/p/p' | wc -l | tr -d ' '\`"`,
  ].join(' ');

/** The findings in a run's output, trimmed and capped. */
export function readFindings(logs: string, mark: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of logs.split('\n')) {
    const match = /^([0-9a-f]+) ([^=]{1,40})=(.*)$/.exec(line);
    if (match?.[1] === mark && match[2] !== undefined) found.set(match[2], (match[3] ?? '').trim().slice(0, 400));
  }
  return found;
}
