/** Kinds of commands that are refused to everybody, and why each must be. The README tells the same. */
export const refused = {
  editor: 'an editor has to stay open between a read and a write; get the object, change the file, apply it',
  terminal: 'somebody has to type into it; give the command after --',
  connection: 'a connection has to last, and run command has none',
  kubeconfig: 'it is about files of your own machine; the gateway uses none',
  identity: 'a command runs as its caller, whom the token proves, and as nobody else',
  fetched: 'it fetches what nobody has seen; send the files, and they are judged',
  kustomize: 'a kustomization can name remote bases and run programs; render it and send the result',
  unjudged: 'what it would do is known only afterwards, or hidden in a text that overrides what was judged',
  node: 'a pod with access to the whole host is more than any role for pods grants',
  plugin: 'it runs a program that nobody has judged',
  raw: 'a raw path walks past kinds and namespaces, on which policy decides; name the resource',
  dump: 'it reads whole namespaces, their logs too; ask for what you need',
  tokens: 'it prints tokens and bodies',
  local: 'it writes files where the command runs, which are gone with it; run it on your own machine',
  gone: 'the tools themselves no longer know it',
  shell: 'unquoted it is an operator of a shell, and no shell reads a command here; quote it',
} as const satisfies Readonly<Record<string, string>>;

export type Refused = keyof typeof refused;
