/** What each of the wrapper's own commands is for, in the order of `aksgw --help`. Help reads no file and asks no gateway. */
export const helps: Readonly<Record<string, { readonly form: string; readonly line: string; readonly more?: string }>> =
  {
    kubectl: {
      form: 'kubectl …',
      line: "as kubectl would: stdout, stderr and the exit code are the command's own",
      more: `Files that the command names are sent with it; they must be below the working folder. For the help of kubectl itself: kubectl --help.
Under the name kubectl-aksgw it is a plugin (kubectl aksgw get pods); under a link called kubectl or helm it stands in for that tool.`,
    },
    helm: { form: 'helm …', line: 'as helm would; a chart is a folder below the working folder' },
    login: {
      form: 'login URL [--method M] [--tenant ID] [--client-id ID] [--name CONTEXT]',
      line: 'signs in to a gateway, and makes it the current context',
      more: `Asks the gateway which application to sign in to (RFC 9728). The first sign-in shows that application, its tenant and the address of Entra,
and pins the context to them: aksgw never gets or sends a token for anything else.

--method azure-cli           the account that is signed in with az
         device-code         a code to enter in a browser on any device
         browser             a browser on this machine (with PKCE)
         managed-identity    the identity of this Azure machine; --client-id for a user-assigned one
         workload-identity   AZURE_FEDERATED_TOKEN_FILE and AZURE_CLIENT_ID
Without --method, the first that this machine has: workload identity, managed identity, az, browser, device code. AKSGW_TOKEN needs no login.

Access tokens are in ~/.config/aksgw/tokens.json (0600); refresh tokens are in the keyring (secret-tool, security), or there too without one.`,
    },
    logout: { form: 'logout', line: 'forgets the tokens' },
    whoami: { form: 'whoami', line: 'who the gateway says you are, and your roles' },
    config: {
      form: 'config get-contexts | use-context NAME | current-context | set cluster|reason VALUE | delete-context NAME',
      line: 'the gateways that you signed in to',
      more: `They are in ~/.config/aksgw/config.yaml (AKSGW_HOME: another folder). Flags come first, then the environment, then the context.
config check and config sign are for operators of a gateway.`,
    },
    clusters: {
      form: 'clusters [NAME]',
      line: 'the clusters that you may see, or one with its custom resources',
    },
    access: { form: 'access', line: 'the rules that bind you on a cluster' },
    explain: {
      form: 'explain kubectl|helm …',
      line: 'what would run, and whether you may; runs nothing, exits with 1 if you may not',
    },
    ps: { form: 'ps', line: 'your commands, newest first' },
    wait: { form: 'wait ID', line: 'waits until a command has ended, and shows its result' },
    result: { form: 'result ID', line: 'shows what is known about a command so far' },
    cancel: { form: 'cancel ID', line: 'cancels a command' },
    rerun: {
      form: 'rerun ID',
      line: 'sends again a command that was sent from here',
      more: `Reads aksgw's own history (~/.config/aksgw/history.jsonl, 0600), which keeps no data. So it refuses, and says why, when the command read standard
input, when a file is gone or has changed, and when a word held data, such as a literal, a patch or what follows --.`,
    },
    batch: {
      form: 'batch FILE',
      line: 'several commands in one pod, from a YAML or JSON file',
      more: `steps: [{ argv: [kubectl, get, pods] }, …] and onError: stop or continue. Files that an argv names are sent with it.`,
    },
    jobs: { form: 'jobs list | show NAME | run NAME', line: "the gateway's scheduled jobs" },
    health: { form: 'health', line: 'how a cluster is; exits with 0 only when all is well' },
    completion: {
      form: 'completion bash|zsh|fish|powershell',
      line: 'a script for your shell',
      more: `bash: source <(aksgw completion bash)          zsh: source <(aksgw completion zsh)
fish: aksgw completion fish | source          PowerShell: aksgw completion powershell | Out-String | Invoke-Expression

The script for PowerShell has only been parsed, never run.`,
    },
    audit: {
      form: 'audit verify | export | open | keys | reconcile',
      line: 'for operators: verifies, exports or opens an audit trail',
    },
    policy: {
      form: 'policy test | lint | diff | who-can | explain',
      line: 'for operators: tests, compares and explains a policy',
    },
    doctor: { form: 'doctor', line: 'for operators: checks on a real cluster what is assumed about Azure' },
  };

export const usage = (): string => `aksgw: kubectl and helm on private AKS clusters, through the access gateway

${Object.values(helps)
  .map(({ form, line }) => `  aksgw ${(form.length > 30 ? `${/^\S+/.exec(form)?.[0]} …` : form).padEnd(26)}  ${line}\n`)
  .join('')}
Options, before the command:
  --url URL           the gateway (AKSGW_URL)
  --context NAME      a gateway that you signed in to (AKSGW_CONTEXT)
  --cluster NAME      the cluster, as the gateway calls it (AKSGW_CLUSTER)
  --reason TEXT       why; recorded, and required by some rules (AKSGW_REASON)
  --timeout SECONDS   how long the command may run in the cluster
  -o json             the gateway's record instead of the output
  --allow-truncated   exit with 0 even if the output was cut

Exit codes: the command's own, with 0 only if all of its output is here. 123 the output was cut; 124 it ran out of time; 125 it did not run;
126 it may have run, or its exit code is not known; 130 after Ctrl-C, which leaves it running (twice cancels it); 141 the program that
reads the output has gone; 2 wrong usage of aksgw.
`;

/** The help of one command. */
export function helpOf(name: string): string {
  const { form, line, more } = helps[name] ?? { form: name, line: '' };
  return `aksgw ${form}\n\n${line}\n${more === undefined ? '' : `\n${more}\n`}`;
}
