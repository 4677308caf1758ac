import { describe, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expectAllowed, expectDenied, expectRefused, explain, stack, stopped, tokens } from './support.ts';

// What a shell, or a parser, might read otherwise than the gateway does.

describe('the command string reaches a shell', () => {
  test.each([
    ['kubectl version; kubectl delete namespace shop', ';'],
    ['kubectl version;kubectl delete namespace shop', ';'],
    ['kubectl version && kubectl delete namespace shop', '&'],
    ['kubectl version & kubectl delete namespace shop', '&'],
    ['kubectl get pods || id', '|'],
    ['kubectl get pods | sh', '|'],
    ['kubectl get pods < /etc/passwd', '<'],
    ['kubectl get pods > /tmp/out', '>'],
    ['kubectl get pods 2>&1', '>'],
    ['kubectl get pods $(id)', '$'],
    ['kubectl get pods "$(id)"', '$'],
    ['kubectl get pods ${IFS}', '$'],
    ["kubectl get pods $'\\x41'", '$'],
    ['kubectl get pods `id`', '`'],
    ['kubectl get pods "`id`"', '`'],
    ['(kubectl get pods)', '('],
    ['kubectl get pods )', ')'],
    ['kubectl apply -f *', '*'],
    ['kubectl apply -f ?.yaml', '?'],
    ['kubectl apply -f [a-z].yaml', '['],
    ['kubectl apply -f ~/.kube/config', '~'],
    ['kubectl get pods # --namespace=shop', '#'],
    ['kubectl get pods\nkubectl delete namespace shop', '\n'],
    ['kubectl get pods \\\nkubectl', '\n'],
    ['kubectl get pods\r', '\r'],
    ['kubectl get pods "a\rb"', '\r'],
    ['kubectl get pods\0', '\0'],
    ["kubectl get 'pods\0'", '\0'],
    ["kubectl get 'pods", "'"],
    ['kubectl get "pods', '"'],
    ['kubectl get pods \\', '\\'],
  ])('as text, %j is refused for its %j', async (command, word) => {
    const answer = await stopped({ command }, 'almighty');
    expect(answer).toMatchObject({ status: 400, body: { code: 'command-refused', word } });
    expect(answer.body.detail).toContain(word < ' ' ? JSON.stringify(word).slice(1, -1) : JSON.stringify(word));
  });

  test.each([
    ['sh -c id', 'sh'],
    ['/bin/sh -c id', '/bin/sh'],
    ['./kubectl get pods', './kubectl'],
    ['/usr/bin/kubectl get pods', '/usr/bin/kubectl'],
    ['KUBECTL get pods', 'KUBECTL'],
    ['KUBECONFIG=/x kubectl get pods', 'KUBECONFIG='], // its value may be a secret
    ['env kubectl get pods', 'env'],
    ['kubectl; get pods', 'kubectl;'],
    [['kubectl\nid', 'get', 'pods'], 'kubectl\nid'],
    [['kubectl ', 'get', 'pods'], 'kubectl '],
    [['', 'get', 'pods'], ''],
  ] as const)('as argv, %j is not a tool', (line, word) => expectRefused(line, word));

  test.each(['\0', '\r', '\n', '\r\n'])('a name or namespace with %j is refused', async (character) => {
    const name = `web${character}--all`;
    await expectRefused(['kubectl', 'delete', 'pod', name], name);
    await expectRefused(['kubectl', 'get', 'pods', '-n', name], name);
    await expectRefused(['helm', 'uninstall', name], name);
  });

  // What a shell would act on arrives as the very text that was sent: kubectl prints it, and nothing else has happened.
  const canary = (): string => join(stack.folder, 'canary');
  test.each([
    ['a command substitution', (file: string) => `$(touch ${file})`],
    ['backticks', (file: string) => `\`touch ${file}\``],
    ['a quote that ends the word', (file: string) => `'; touch ${file}; '`],
    ['two quotes', (file: string) => `''; touch ${file}; ''`],
    ['a quote after a backslash', (file: string) => `\\'; touch ${file}; \\'`],
    ['a double quote', (file: string) => `"; touch ${file}; "`],
    ['operators', (file: string) => `a && touch ${file} || touch ${file} | touch ${file} & touch ${file} > ${file}`],
    ['a new line', (file: string) => `a\ntouch ${file}\n`],
    ['a carriage return', (file: string) => `a\r\ntouch ${file}`],
    ['variables and patterns', () => `$HOME ~ * ? [a-z] !! %PATH% $0 $$`],
    ['words of other alphabets', () => 'Grüße, 世界, \u2028 \u00a0 \u202e x'],
  ])('as one word of argv, %s is data', async (_what, payload) => {
    const text = payload(canary());
    const { status, body: ran } = await stack.command(
      { argv: ['kubectl', 'get', 'pods', '-n', 'shop', '-o', `jsonpath=${text}`] },
      { token: tokens.almighty },
    );
    // The stand-in for kubectl knows no jsonpath, and says so instead.
    const printed = stack.azure.kubectl === 'installed' ? [0, text] : [1, ''];
    expect([status, ran.status, ran.exitCode, ran.stdout]).toEqual([200, 'completed', ...printed]);
    expect(existsSync(canary())).toBe(false);
  });
});

describe('positional words that are flags in disguise', () => {
  const flag = '--server=attacker:443';
  test.each([
    [`kubectl get pods -- ${flag}`, flag],
    [`kubectl get -- pods ${flag}`, flag],
    [`kubectl get pods/${flag}`, flag],
    [`kubectl delete pod -- --all`, '--all'],
    [`kubectl describe pod -- ${flag}`, flag],
    [`kubectl logs -- ${flag}`, flag],
    [`kubectl logs deployment/${flag}`, flag],
    [`kubectl logs web -- ${flag}`, flag],
    [`kubectl rollout restart deployment/${flag}`, flag],
    [`kubectl scale --replicas=1 deployment -- ${flag}`, flag],
    [`kubectl patch pod -p {} -- ${flag}`, flag],
    [`kubectl label pod -- ${flag} a=b`, 'pod'],
    [`kubectl create configmap -- ${flag}`, 'create configmap'],
    [`kubectl create configmap web -- ${flag}`, flag],
    [`kubectl get -- ${flag}`, flag],
    [`kubectl exec ${flag} -- id`, '--server'],
    [`kubectl exec pod/${flag} -- id`, flag],
    [`kubectl cordon -- ${flag}`, flag],
    [`kubectl get pods -n ${flag}`, flag],
    [`kubectl get pods --namespace=${flag}`, flag],
    [`kubectl cp web.txt --server=x:/tmp`, '--server'],
    [`helm status -- --kube-token=x`, '--kube-token=x'],
    [`helm uninstall -- web --kubeconfig=x`, '--kubeconfig=x'],
    [`helm rollback web -- --kube-apiserver=x`, '--kube-apiserver=x'],
    [`helm list -n --kube-token=x`, '--kube-token=x'],
  ] as const)('%s', (line, word) => expectRefused(line, word));

  test.each([
    'web?a=b',
    '..',
    '.',
    'web%2flog',
    'web#x',
    'web;id',
    'web web',
    'Web',
    'web_1',
    '@file',
    '',
    'wéb',
    'x'.repeat(254),
    '$(id)',
    'web\u200b',
  ])('%j is not a name', async (name) => {
    await expectRefused(['kubectl', 'get', 'pod', name], name);
    await expectRefused(['helm', 'status', name], name);
  });

  test.each([
    ['kubectl get pod ../../../apis', 'pod'],
    ['kubectl get ../../../apis', '..'],
    ['kubectl get pod -- --server=https://attacker.example', 'pod'],
    ['kubectl get pod/../../secrets/password', '../../secrets/password'],
    ['kubectl get pod/web/log', 'web/log'],
    ['kubectl get pod/ x', ''],
    ['helm status ../web', '../web'],
  ])('%s leads nowhere else', (line, word) => expectRefused(line, word));
});

describe('what parsers differ on', () => {
  test.each([
    ['kubectl\tget\tpods\t--server=https://x', '--server'],
    ["kubectl get pods --ser''ver=https://x", '--server'],
    ['kubectl get pods --"server"=https://x', '--server'],
    ['kubectl get pods \\-\\-server=https://x', '--server'],
    ["kubectl get pods '--server=https://x'", '--server'],
    ["kubectl get pods '--server' https://x", '--server'],
    ["kubectl get pods -'s'https://x", '-s'],
    ['kubectl get pods "--tok"en=x', '--token'],
    ['ku"bectl" ed\'it\' deployment/web', 'edit'],
    ["kubectl ''get pods --to'k'en x", '--token'],
  ])('as text, tabs and quotes inside words: %j', async (command, word) => {
    const answer = await stopped({ command }, 'almighty');
    expect(answer).toMatchObject({ status: 400, body: { code: 'command-refused', word } });
    expect(answer.body.detail).toContain(word);
  });

  test.each([
    ['a cluster of short flags', 'kubectl get pods -Ashttps://x', '-s'],
    ['a cluster with an equals sign', 'kubectl get pods -As=https://x', '-s'],
    ['a cluster and the next word', 'kubectl get pods -ws https://x', '-s'],
    ['underscores', 'kubectl get pods --insecure_skip_tls_verify', '--insecure_skip_tls_verify'],
    ['underscores with a value', 'kubectl get pods --certificate_authority=x', '--certificate_authority'],
    ['underscores and hyphens', 'kubectl get pods --as-user_extra=a=b', '--as-user_extra'],
    ['an abbreviation', 'kubectl get pods --namesp=shop', '--namesp'],
    ['an abbreviation of a refused flag', 'kubectl get pods --serv=https://x', '--serv'],
    ['an abbreviation, helm', 'helm list --kube-api=https://x', '--kube-api'],
    ['another case', 'kubectl get pods --Server=https://x', '--Server'],
    ['another case of a short flag', 'kubectl get pods -N shop', '-N'],
    ['one dash', 'kubectl get pods -server=https://x', '-s'],
    ['three dashes', 'kubectl get pods ---server=https://x', '---server=https://x'],
    ['a flag without name', 'kubectl get pods --=https://x', '--=https://x'],
    ['another dash', 'kubectl get pods \u2013server=https://x', 'pods'],
    ['a value that is the verb', 'kubectl --cache-dir get delete pod x', '--cache-dir'],
    ['a value that is the verb, helm', 'helm --registry-config list uninstall web', '--registry-config'],
    ['a flag before the verb that swallows it', 'kubectl -A get pods', 'pods'],
    ['a file of arguments', 'kubectl get @pods.txt', '@pods.txt'],
    ['a file of arguments as verb', 'kubectl @command.txt', '@command.txt'],
    ['a file of arguments, helm', 'helm uninstall @releases.txt', '@releases.txt'],
    ['an unknown flag', 'kubectl get pods --frobnicate', '--frobnicate'],
    ['an unknown flag, helm', 'helm list --frobnicate=1', '--frobnicate'],
    ['an unknown short flag', 'kubectl get pods -Z', '-Z'],
    ['a flag of another verb', 'kubectl get pods --replicas=3', '--replicas'],
    ['an unknown verb', 'kubectl frobnicate pods', 'frobnicate'],
    ['an unknown verb, helm', 'helm frobnicate web', 'frobnicate'],
    ['another case of the verb', 'kubectl DELETE pod web', 'DELETE'],
    ['an abbreviated verb', 'kubectl del pod web', 'del'],
    ['what is not a boolean', 'kubectl get pods --watch=maybe', '--watch=maybe'],
    ['a flag without its value', 'kubectl get pods -n', '-n'],
    ['two namespaces, one bad', 'kubectl get pods -n shop -n ../x', '../x'],
    ['words after --', 'kubectl get pods -- -n shop', '-n'],
    ['no verb', 'kubectl --', '--'],
  ] as const)('%s: %s', (_what, line, word) => expectRefused(line, word));

  test.each([
    ['-n shop', 'shop'],
    ['-nshop', 'shop'],
    ['-n=shop', 'shop'],
    ['--namespace shop', 'shop'],
    ['--namespace=shop', 'shop'],
    ['-n kube-system -n shop', 'shop'],
    ['-nshop --namespace=kube-system', 'kube-system'],
    ['-wnkube-system', 'kube-system'],
  ])('kubectl get pods %s: what is judged is what is sent', async (flags, namespace) => {
    const explained = await explain(`kubectl get pods ${flags}`);
    expect(new Set(explained.attributes.map((one) => one.namespace))).toEqual(new Set([namespace]));
    expect(explained.command.match(/namespace[-=\w]*/g)).toEqual([`namespace=${namespace}`]);
  });

  test('of a flag given twice, the value that counts is judged: policy allows shop alone', async () => {
    const narrow = { as: 'deployer' } as const;
    await expectAllowed('kubectl get pods -n kube-system -n shop', narrow);
    await expectDenied('kubectl get pods -n shop -n kube-system', 'kube-system', narrow);
    await expectDenied('kubectl get pods -nshop --namespace kube-system', 'kube-system', narrow);
  });
});
