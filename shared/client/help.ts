/** What each command of the wrapper's own is for, in the order of `aksgw --help`. No file is read for help, and nothing is asked. */
export const helps: Readonly<Record<string, { readonly form: string; readonly line: string; readonly more?: string }>> =
  {
    kubectl: {
      form: 'kubectl …',
      line: "as kubectl would: stdout, stderr and the exit code are the command's own",
      more: `Files that the command names are sent with it; they must lie below the working folder. kubectl's own help is kubectl's: kubectl --help.
Installed under the name kubectl-aksgw, kubectl's verbs come directly (kubectl aksgw get pods); by a link called kubectl or helm,
it stands in for that tool.`,
    },
    helm: { form: 'helm …', line: 'as helm would; a chart is a folder below the working folder' },
    login: {
      form: 'login URL [--method M] [--tenant ID] [--client-id ID] [--name CONTEXT]',
      line: 'signs in to a gateway, and makes it the current context',
      more: `Learns from the address what to sign in for (RFC 9728). At the first sign-in the context is pinned to the gateway's application, tenant
and Entra's address, and shows them; no token for anything else is ever got or sent.

--method azure-cli           whoever is signed in with az
         device-code         a code to enter in a browser on any device
         browser             a browser on this machine (PKCE)
         managed-identity    of the Azure machine that this runs on; --client-id for a user-assigned one
         workload-identity   AZURE_FEDERATED_TOKEN_FILE and AZURE_CLIENT_ID
Without it: what the machine has, in the order workload identity, managed identity, az, browser, device code. AKSGW_TOKEN needs no login.

Tokens are in ~/.config/aksgw/tokens.json (0600); what outlives the hour is in the keyring where there is one (secret-tool, security).`,
    },
    logout: { form: 'logout', line: 'forgets the tokens' },
    whoami: { form: 'whoami', line: 'who you are to the gateway, and your roles' },
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
      line: 'what a command would be, and whether you may: runs nothing, ends with 1 if not',
    },
    ps: { form: 'ps', line: 'your commands, newest first' },
    wait: { form: 'wait ID', line: 'waits for the end of a command, and shows it' },
    result: { form: 'result ID', line: 'shows what is known of a command now' },
    cancel: { form: 'cancel ID', line: 'ends a command' },
    rerun: {
      form: 'rerun ID',
      line: 'sends a command again that was sent from here',
      more: `From the wrapper's own history (~/.config/aksgw/history.jsonl, 0600). Refused, by name, where it read standard input, where a file is gone or
has changed, and where a word held data, such as a literal, a patch or what follows --: that is not kept.`,
    },
    batch: {
      form: 'batch FILE',
      line: 'several commands in one pod, from a file of YAML or JSON',
      more: `steps: [{ argv: [kubectl, get, pods] }, …] and onError: stop or continue. Files that an argv names are sent with it.`,
    },
    jobs: { form: 'jobs list | show NAME | run NAME', line: "the gateway's scheduled jobs" },
    health: { form: 'health', line: 'one look at a cluster; ends with 0 only when it is ok' },
    completion: {
      form: 'completion bash|zsh|fish|powershell',
      line: 'a script for your shell',
      more: `bash: source <(aksgw completion bash)          zsh: source <(aksgw completion zsh)
fish: aksgw completion fish | source          PowerShell: aksgw completion powershell | Out-String | Invoke-Expression

The script for PowerShell has not been run in one.`,
    },
    audit: { form: 'audit verify | export | open | keys | reconcile', line: 'for operators: an audit trail' },
    policy: { form: 'policy test | lint | diff | who-can | explain', line: 'for operators: a policy' },
    doctor: { form: 'doctor', line: 'for operators: what is assumed about Azure, on a real cluster' },
  };

export const usage = (): string => `aksgw: kubectl and helm on private AKS clusters, through the access gateway

${Object.values(helps)
  .map(({ form, line }) => `  aksgw ${(form.length > 30 ? `${/^\S+/.exec(form)?.[0]} …` : form).padEnd(26)}  ${line}\n`)
  .join('')}
Options, before the command:
  --url URL           the gateway (AKSGW_URL)
  --context NAME      one that you signed in to (AKSGW_CONTEXT)
  --cluster NAME      the cluster, as the gateway calls it (AKSGW_CLUSTER)
  --reason TEXT       why; recorded, and required by some rules (AKSGW_REASON)
  --timeout SECONDS   how long the command may run in the cluster
  -o json             the gateway's record, in place of the output
  --allow-truncated   0 also when the output was cut

Exit codes: the command's own, and 0 only for its whole output. 123 the output was cut; 124 it ran out of time; 125 it was not run; 126 it
may have run, or what it ended with is not known; 130 after Ctrl-C, which leaves it running (twice cancels it); 141 when the
reader of what is followed has gone; 2 for wrong usage of aksgw.
`;

/** The help of one command. */
export function helpOf(name: string): string {
  const { form, line, more } = helps[name] ?? { form: name, line: '' };
  return `aksgw ${form}\n\n${line}\n${more === undefined ? '' : `\n${more}\n`}`;
}
