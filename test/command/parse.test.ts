import { describe, expect, test } from '@jest/globals';
import { allCommands, commandOf, flagsOf } from '../../shared/command/grammar/grammar.ts';
import { MAX_WORD_BYTES, MAX_WORDS, parse } from '../../shared/command/parse.ts';
import { splitWords } from '../../shared/command/words.ts';
import { Problem } from '../../shared/errors.ts';

/** Path, positionals and flags of a command line, in a form that reads well in a table. */
function read(line: string): string {
  const { path, args, dash, flags } = parse(splitWords(line));
  const written = [...flags].map(([name, values]) => `${name}=${JSON.stringify(values)}`);
  return [path.join(' '), `[${args.join(' ')}]`, ...(dash === undefined ? [] : [`dash ${dash}`]), ...written].join(' ');
}

function refusal(line: string | readonly string[]): { word: unknown; why: unknown } {
  try {
    parse(typeof line === 'string' ? splitWords(line) : line);
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'command-refused') throw error;
    return { word: error.options.members?.['word'], why: error.options.members?.['why'] };
  }
  throw new Error('Not refused');
}

describe('parse reads', () => {
  test.each([
    // Flags stand anywhere; short ones in clusters; the value beside, after `=`, or as the next word.
    ['kubectl get pods -n shop', 'get [pods] namespace=["shop"]'],
    ['kubectl -n shop get pods', 'get [pods] namespace=["shop"]'],
    ['kubectl get -n shop pods', 'get [pods] namespace=["shop"]'],
    ['kubectl get pods -nshop', 'get [pods] namespace=["shop"]'],
    ['kubectl get pods -n=shop', 'get [pods] namespace=["shop"]'],
    ['kubectl get pods -n=', 'get [pods] namespace=["="]'],
    ['kubectl get pods --namespace=', 'get [pods] namespace=[""]'],
    ['kubectl get pods --namespace shop', 'get [pods] namespace=["shop"]'],
    ['kubectl get pods -n a -n b', 'get [pods] namespace=["a","b"]'],
    ['kubectl get pods -An shop', 'get [pods] all-namespaces=["true"] namespace=["shop"]'],
    ['kubectl get pods -wAowide', 'get [pods] watch=["true"] all-namespaces=["true"] output=["wide"]'],
    ['kubectl get pods -A=false', 'get [pods] all-namespaces=["false"]'],
    ['kubectl get pods -n --all-namespaces', 'get [pods] namespace=["--all-namespaces"]'],
    ['kubectl get -n -- pods', 'get [pods] namespace=["--"]'],
    // Booleans take Go's words, after `=` only.
    ['kubectl get pods --watch=T -A=0', 'get [pods] watch=["true"] all-namespaces=["false"]'],
    ['kubectl get pods --watch false', 'get [pods false] watch=["true"]'],
    // `_` is `-` to kubectl.
    ['kubectl get pods --all_namespaces', 'get [pods] all-namespaces=["true"]'],
    ['kubectl apply -f x --dry_run=server', 'apply [] filename=["x"] dry-run=["server"]'],
    // Optional values never take the next word.
    ['kubectl label pod x a=b --dry-run server', 'label [pod x a=b server] dry-run=["client"]'],
    ['kubectl delete pod x --cascade', 'delete [pod x] cascade=["background"]'],
    ['kubectl apply -f x --validate', 'apply [] filename=["x"] validate=["strict"]'],
    // Lists are CSV, with CSV's quotes.
    ['kubectl apply -f a.yaml,https://x -f b', 'apply [] filename=["a.yaml","https://x","b"]'],
    [`kubectl apply -f '"a,b",c'`, 'apply [] filename=["a,b","c"]'],
    [`kubectl apply -f '"a""b"'`, 'apply [] filename=["a\\"b"]'],
    ['kubectl apply -f a,', 'apply [] filename=["a",""]'],
    ['kubectl apply -f ""', 'apply [] filename=[]'],
    ['kubectl create cm a --from-literal=a=b,c', 'create configmap [a] from-literal=["a=b,c"]'],
    // `--` ends flags.
    ['kubectl exec web -n shop -- ls -n x', 'exec [web ls -n x] dash 1 namespace=["shop"]'],
    ['kubectl exec -- web -x', 'exec [web -x] dash 0'],
    ['kubectl exec web -- a -- b', 'exec [web a -- b] dash 1'],
    ['kubectl get pods -', 'get [pods -]'],
    // One name, several meanings.
    ['kubectl logs web -p -c app -f', 'logs [web] previous=["true"] container=["app"] follow=["true"]'],
    ['kubectl patch deploy web -p {}', 'patch [deploy web] patch=["{}"]'],
    ['kubectl create rolebinding r --user=a --group=b', 'create rolebinding [r] user=["a"] group=["b"]'],
    ['kubectl debug web --profile=general', 'debug [web] profile=["general"]'],
    [`kubectl '' get pods`, 'get [ pods]'],
    // Commands: aliases, sub-commands, and words that only look like them.
    ['kubectl create deploy get --image=x', 'create deployment [get] image=["x"]'],
    ['kubectl -n get delete pod x', 'delete [pod x] namespace=["get"]'],
    ['kubectl rollout -n shop restart deploy/web', 'rollout restart [deploy/web] namespace=["shop"]'],
    ['kubectl top no', 'top node []'],
    ['kubectl create -f x', 'create [] filename=["x"]'],
    ['kubectl apply -Rf dir', 'apply [] recursive=["true"] filename=["dir"]'],
    ['helm ls -A', 'list [] all-namespaces=["true"]'],
    ['helm get values web -a', 'get values [web] all=["true"]'],
    ['helm un a b', 'uninstall [a b]'],
    ['helm install web ./web --set a=b,c=d --set e=f', 'install [web ./web] set=["a=b,c=d","e=f"]'],
    ['helm install web ./web --dry-run', 'install [web ./web] dry-run=["client"]'],
    ['helm upgrade web ./web -if a.yaml,b.yaml', 'upgrade [web ./web] install=["true"] values=["a.yaml","b.yaml"]'],
    ['helm install web ./web --labels a=b,c=d', 'install [web ./web] labels=["a=b,c=d"]'],
    ['helm install web ./web --labels a=b,c -l x=y', 'install [web ./web] labels=["a=b,c","x=y"]'],
  ])('%s', (line, expected) => {
    expect(read(line)).toBe(expected);
  });
});

describe('parse refuses', () => {
  test.each([
    ['terraform apply', 'terraform', /kubectl or helm/u],
    ['KUBECTL get pods', 'KUBECTL', /kubectl or helm/u],
    ['/usr/bin/kubectl get pods', '/usr/bin/kubectl', /kubectl or helm/u],
    ['kubectl', 'kubectl', /no kubectl command/u],
    ['kubectl -n', '-n', /no kubectl command/u],
    ['kubectl -- get pods', '--', /no kubectl command/u],
    ['kubectl -A get pods', 'pods', /no such command.*plugins/u],
    ['kubectl --unknown get delete pod x', '--unknown', /kubectl delete has no such flag/u],
    ['kubectl apply -f x --dry-run server', 'server', /no such sub-command/u],
    ['kubectl foo', 'foo', /plugins/u],
    ['kubectl Get pods', 'Get', /no such command/u],
    ['kubectl ge pods', 'ge', /no such command/u],
    ['kubectl create cmap x', 'cmap', /no such sub-command/u],
    ['kubectl create -f x y', 'y', /no such sub-command/u],
    ['helm plugins', 'plugins', /no such command/u],
    ['kubectl get pods --all-namespace', '--all-namespace', /no such flag/u],
    ['kubectl get pods --allnamespaces', '--allnamespaces', /no such flag/u],
    ['kubectl get pods -Z', '-Z', /no such flag/u],
    ['kubectl get pods -AZ', '-Z', /no such flag/u],
    ['kubectl get pods ---n', '---n', /how a flag is spelt/u],
    ['kubectl get pods --=x', '--=x', /how a flag is spelt/u],
    ['kubectl get pods -n', '-n', /needs a value/u],
    ['kubectl get pods --namespace', '--namespace', /needs a value/u],
    ['kubectl get pods -A=maybe', '-A=maybe', /boolean/u],
    ['kubectl get pods --watch=', '--watch=', /boolean/u],
    ['kubectl get pods -A=', '-=', /no such flag/u],
    ['kubectl delete pod x --timeout=5', '--timeout=5', /duration/u],
    ['kubectl scale deploy x --replicas=2x', '--replicas=2x', /whole number/u],
    ['kubectl scale deploy x --replicas=010', '--replicas=010', /whole number/u],
    ['kubectl scale deploy x --replicas=99999999999999999999', '--replicas=99999999999999999999', /whole number/u],
    [`kubectl apply -f 'a"b'`, '-f=a"b', /quote/u],
    [`kubectl apply -f '"a'`, '-f="a', /quote/u],
    ["kubectl apply -f 'a\nb'", '-f', /one line/u],
    ['helm install web ./web --labels a', '--labels=a', /key=value/u],
    ['helm install web ./web --labels a=b,c,d=e', '--labels=a=b,c,d=e', /key=value/u],
    [`helm install web ./web --labels '"a"=b'`, '--labels="a"=b', /without quotes/u],
    ['helm list --all_namespaces', '--all_namespaces', /no such flag/u],
    ['helm install web ./web --dry_run', '--dry_run', /no such flag/u],
  ])('%j, naming %j', (line, word, why) => {
    const found = refusal(line);
    expect(found.word).toBe(word);
    expect(found.why).toMatch(why);
  });

  test.each([
    [[], 'argv'],
    [[''], ''],
    [['kubectl', 'get', 'a\0b'], 'a\0b'],
    [['kubectl', 'create configmap', 'x'], 'create configmap'],
    [['kubectl', 'create', 'configmap x'], 'configmap x'],
    [['kubectl', 'get', '-😀'], '-😀'],
    [['kubectl', 'get', '-A😀'], '-😀'],
    [['kubectl', 'get', '\ud800'], '\ufffd'],
    [['kubectl', 'get', 'é'.repeat(MAX_WORD_BYTES / 2 + 1)], 'é'.repeat(100)],
    [['kubectl', 'get', ...Array.from({ length: MAX_WORDS }, () => 'x')], 'kubectl'],
  ])('words that no command has (%#)', (argv, word) => {
    expect(refusal(argv).word).toBe(word);
  });

  test('takes as many and as long words as it says', () => {
    const most = ['kubectl', 'get', ...Array.from({ length: MAX_WORDS - 2 }, () => 'x')];
    expect(parse(most).args).toHaveLength(MAX_WORDS - 2);
    expect(parse(['kubectl', 'get', 'x'.repeat(MAX_WORD_BYTES)]).args).toHaveLength(1);
  });
});

describe('flags that change where a command goes, as whom, or what it runs are refused', () => {
  const kubectl =
    'server token kubeconfig context cluster user username password certificate-authority client-certificate client-key ' +
    'insecure-skip-tls-verify tls-server-name as as-group as-uid as-user-extra cache-dir profile profile-output kuberc ' +
    'proxy-url log-file log-dir vmodule kustomize';
  const helm =
    'kube-apiserver kube-token kube-as-user kube-as-group kube-ca-file kube-context kubeconfig kube-insecure-skip-tls-verify ' +
    'kube-tls-server-name registry-config repository-config repository-cache content-cache keyring ca-file cert-file key-file ' +
    'username password pass-credentials burst-limit qps post-renderer post-renderer-args repo verify ' +
    'dependency-update insecure-skip-tls-verify plain-http';
  const cases = [
    ...kubectl.split(' ').map((flag) => ['kubectl get pods', flag] as const),
    ...helm.split(' ').map((flag) => ['helm upgrade web ./web', flag] as const),
  ];

  test.each(cases)('%s --%s, with its reason', (line, flag) => {
    for (const spelt of [`--${flag}=x`, `--${flag}`]) {
      const found = refusal(`${line} ${spelt} x`);
      expect(found.word).toBe(`--${flag}`);
      expect(found.why).toMatch(/^is refused: ./u);
    }
  });

  test.each([
    ['kubectl get pods -shttps://evil', '-s'],
    ['kubectl get -Ashttps://evil pods', '-s'],
    ['kubectl get pods -s https://evil', '-s'],
    ['kubectl -s https://evil get pods', '-s'],
    ['kubectl --server=https://evil get pods', '--server'],
    ['kubectl get pods --insecure_skip_tls_verify', '--insecure_skip_tls_verify'],
    ['kubectl get pods --as_group=system:masters', '--as_group'],
    ['kubectl get -k github.com/x', '-k'],
    ['kubectl get pods --help', '--help'],
    ['kubectl get pods -h', '-h'],
    ['kubectl get pods -Ah', '-h'],
    ['helm list --kube-token x', '--kube-token'],
    ['helm --kube-apiserver=x list', '--kube-apiserver'],
    ['helm template ./web --output-dir x', '--output-dir'],
  ])('%s', (line, word) => {
    expect(refusal(line)).toMatchObject({ word, why: expect.stringMatching(/^is refused: /u) });
  });

  test('every global flag of both tools is refused or one that was thought about', () => {
    const harmless = {
      kubectl: [
        'disable-compression',
        'match-server-version',
        'namespace',
        'request-timeout',
        'v',
        'warnings-as-errors',
      ],
      helm: ['debug', 'namespace'],
    };
    for (const [tool, path] of [
      ['kubectl', ['get']],
      ['helm', ['list']],
    ] as const) {
      const open = flagsOf(tool, path)
        .filter(({ own, name }) => !own && !isRefused([tool, ...path, `--${name}=1s`]))
        .map(({ name }) => name);
      expect(open).toEqual(harmless[tool]);
    }
  });
});

function isRefused(argv: readonly string[]): boolean {
  try {
    parse(argv);
    return false;
  } catch (error) {
    // A value of the wrong type is not an answer: the flag itself must be refused.
    return error instanceof Problem && String(error.options.members?.['why']).startsWith('is refused');
  }
}

describe('the grammar', () => {
  test('has every command of both tools, and none twice', () => {
    for (const tool of ['kubectl', 'helm'] as const) {
      const paths = allCommands(tool).map(({ path }) => path.join(' '));
      expect(new Set(paths).size).toBe(paths.length);
      for (const path of paths) expect(commandOf(tool, path.split(' '))?.path.join(' ')).toBe(path);
    }
    expect(allCommands('kubectl').length).toBeGreaterThan(100);
    expect(allCommands('helm').length).toBeGreaterThan(40);
  });

  test('says since when a flag is known', () => {
    expect(commandOf('kubectl', ['apply'])?.long('subresource')?.since).toBe('1.32');
    expect(commandOf('kubectl', ['apply'])?.long('filename')?.since).toBeUndefined();
  });

  test('has one flag for each letter of a command', () => {
    for (const tool of ['kubectl', 'helm'] as const) {
      for (const { path } of allCommands(tool)) {
        const letters = flagsOf(tool, path).flatMap(({ short }) => short ?? []);
        expect(new Set(letters).size).toBe(letters.length);
      }
    }
  });
});
