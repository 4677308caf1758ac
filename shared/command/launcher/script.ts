/**
 * The program that runs in the pod: POSIX sh, for dash, bash and busybox, each helper tool optional (README.md). It is kept
 * as statements and joined to one line, since a newline may not survive the way into the pod. No `$(` and no `$$` side by side
 * anywhere: Kubernetes would expand or halve them in a container's args before any shell reads them
 * (k8s.io/kubernetes/third_party/forked/golang/expansion); so backquotes and no arithmetic.
 *
 * Expects the command as the positional parameters, `n` the nonce and `t` the seconds it may take.
 */

/**
 * Azure cuts a longer output, without a word (learn.microsoft.com/azure/aks/access-private-cluster, "Limitations": 512 kB; two live
 * clusters cut at exactly this many bytes in August 2026).
 */
export const OUTPUT_LIMIT = 524_288;
/** Bytes of stdout kept; the rest is read and dropped, since killing a command for its output would leave half a change. */
export const STDOUT_CAP = 16 * 1024 * 1024;
/** Bytes of stderr kept. */
export const STDERR_CAP = 64 * 1024;
/**
 * Encoded bytes of stdout sent, beside a stderr of at most 4 kB or of up to 90 kB. With the frame lines this stays under run
 * command's 512 kB, so that it is the launcher which cuts, and says so, and not Azure
 * (learn.microsoft.com/azure/aks/access-private-cluster, "Limitations").
 */
const encodedCap = { besideLittle: 505_000, besideMuch: 420_000, little: 4_000 } as const;
/** Seconds between TERM and KILL. */
const GRACE = 10;

/**
 * A sleep that ends with its subshell, so that nothing stays behind in the pod. A signal may come before the trap stands and is
 * then lost (dash), so there is a flag beside it. `$!` tells whether there is a sleep yet to be killed.
 */
const nap = (seconds: string, flag: string): string =>
  `z=$!; trap '[ "$!" = "$z" ] || kill $!; exit 0' TERM; [ ! -f "$d/${flag}" ] || exit 0; sleep ${seconds} & wait $!;`;

/** Surroundings and tools, once. */
const prelude = [
  `W=$PWD;`,
  // Surroundings: nothing that the image or an upload could set changes what runs. kubectl 1.34 reads KUBERC, 1.33 KUBECTL_KUBERC;
  // helm keeps releases in Secrets, where policy looks for them.
  `LC_ALL=C; export LC_ALL; set -f; umask 077; unset ENV BASH_ENV CDPATH; KUBERC=off; KUBECTL_KUBERC=false; HELM_DRIVER=secret; export KUBERC KUBECTL_KUBERC HELM_DRIVER;`,
  // fd 3 is the real output; the shell's own remarks ("Terminated") go nowhere.
  `exec 3>&1 >/dev/null 2>&1;`,
  // HOME may have to move (helm wants to write there); the kubeconfig in it must stay in force.
  `[ -n "\${KUBECONFIG-}" ] || [ ! -f "\${HOME-}/.kube/config" ] || { KUBECONFIG=$HOME/.kube/config; export KUBECONFIG; };`,
  // size, digest and printing of a file, with what there is.
  `size() { if command -v wc; then set -- \`wc -c <"$1"\`; elif command -v stat; then set -- \`stat -c %s "$1"\`; else set -- \`ls -ln "$1"\`; set -- "$5"; fi; printf %s "$1" >&4; };`,
  `digest() { if command -v sha256sum; then set -- \`sha256sum <"$1"\`; elif command -v cksum; then set -- \`cksum <"$1"\`; else set -- -; fi; printf %s "$1" >&4; };`,
  `show() { cat "$1" >&3 || dd if="$1" >&3; };`,
  // One byte more than the cap is kept, so that reaching it can be told from passing it.
  `keep() { head -c "$1" >"$2"; cat || dd; };`,
  `b64() { if command -v base64 >&2; then base64 <"$1"; else openssl base64 <"$1"; fi; };`,
  `encode() { case $q in gzip*) gzip -9 -c <"$d/$1" >"$d/$1.z" && b64 "$d/$1.z" >"$d/$1.b" && [ -s "$d/$1.b" ];; base64) b64 "$d/$1" >"$d/$1.b" && { [ -s "$d/$1.b" ] || [ ! -s "$d/$1" ]; };; *) cat "$d/$1" >"$d/$1.b" || dd if="$d/$1" of="$d/$1.b";; esac; };`,
  // The whole group where setsid made one, else the command alone.
  `tell() { kill "-$1" "-$p" || kill "-$1" "$p"; };`,
  `insist() { ${nap(String(GRACE), 'done')} tell KILL; };`,
  // What is left of the group holds the pipes open; if it was not that, what the readers still hold is given up.
  `drain() { ${nap('5', 'dry')} tell KILL; ${nap('2', 'dry')} : >"$d/lost"; kill -KILL $x $y; };`,
  // After the time: mark, ask, insist. `timeout` would answer 124 for a command's own 124 as well.
  `watchdog() { ${nap('"$t"', 'done')} : >"$d/late"; tell TERM; insist; };`,
];

/** mkdir is atomic and the nonce unguessable: no mktemp needed. */
const FOLDER = `d=; for b in "\${TMPDIR:-/tmp}" /tmp /dev/shm /var/tmp "\${HOME:-$W}" "$W"; do mkdir -m 700 "$b/aksgw.$n" && { d=$b/aksgw.$n; break; }; done;`;

/**
 * With `$V` set, the first line names the pod's tools. Both speak to no cluster; the YAML form is the one that all kubectls have.
 */
const REPORT = `tools() { set -- \`kubectl version --client -o yaml 3>&-\`; K=; while [ "$#" -gt 1 ]; do [ "$1" != gitVersion: ] || { K=$2; break; }; shift; done; set -- \`helm version --short 3>&-\`; K=" kubectl=$K helm=\${1-}"; };`;

/** Runs "$@" with its stdin from $i; leaves its streams in files and its exit code in $r. */
const run = [
  `HELM_CACHE_HOME=$d/cache; HELM_CONFIG_HOME=$d/config; HELM_DATA_HOME=$d/data; export HELM_CACHE_HOME HELM_CONFIG_HOME HELM_DATA_HOME;`,
  `[ -w "\${HOME:-/nonexistent}" ] || { HOME=$d; export HOME; };`,
  // sh is PID 1 in the pod: without a trap TERM would be ignored.
  `g=; p=; v=; trap 'g=1; if [ -n "$p" ]; then tell TERM; [ -n "$v" ] || { insist 3>&- & v=$!; }; fi' TERM INT HUP; : >"$d/ready";`,
  `m=-; f=; if ! command -v head; then m=$m,head; elif ! command -v mkfifo; then m=$m,mkfifo; elif mkfifo "$d/p" "$d/q"; then f=1; fi;`,
  // A group of its own, so that a signal reaches what the command started as well.
  `j=; ! command -v setsid || j=setsid;`,
  // exec: with a trap set dash would keep a shell between, and a signal to $p would not reach the command.
  `K=; [ -z "\${V-}" ] || tools; printf 'AKSGW1 S %s%s\\n' "$n" "$K" >&3;`,
  `if [ -n "$f" ]; then keep ${STDOUT_CAP + 1} "$d/o" <"$d/p" 3>&- & x=$!; keep ${STDERR_CAP + 1} "$d/e" <"$d/q" 3>&- & y=$!; exec $j "$@" <"$i" >"$d/p" 2>"$d/q" 3>&- & p=$!; else exec $j "$@" <"$i" >"$d/o" 2>"$d/e" 3>&- & p=$!; fi;`,
  `w=; if command -v sleep; then watchdog 3>&- & w=$!; else m=$m,sleep; fi;`,
  `[ -z "$g" ] || tell TERM;`,
  // A trapped signal interrupts wait; the command's own status is what the last wait says.
  `wait $p; r=$?; while [ -n "$g" ] && kill -0 $p; do g=; wait $p; r=$?; done;`,
  `: >"$d/done"; [ -z "$w$v" ] || { kill $w $v; wait $w $v; };`,
  // A grandchild may hold the pipes open for ever: a few seconds are enough for what was already written.
  `if [ -n "$f" ]; then u=; [ -z "$w" ] || { drain 3>&- & u=$!; }; wait $x $y; : >"$d/dry"; [ -z "$u" ] || { kill $u; wait $u; }; fi;`,
  `[ -f "$d/o" ] || : >"$d/o"; [ -f "$d/e" ] || : >"$d/e";`,
  `l=0; [ ! -f "$d/late" ] || { l=1; r=124; };`,
];

/** Encodes both streams with what there is. */
const measure = [
  `a=\`size "$d/o" 4>&1 >/dev/null\`; b=\`size "$d/e" 4>&1 >/dev/null\`; A=\`digest "$d/o" 4>&1 >/dev/null\`; B=\`digest "$d/e" 4>&1 >/dev/null\`;`,
  `c=0; [ "$a" -le ${STDOUT_CAP} ] || c=1; [ "$b" -le ${STDERR_CAP} ] || c=1; [ ! -f "$d/lost" ] || c=1;`,
  `for q in gzip+base64 base64 raw; do encode o && encode e && break; done;`,
  `x=\`size "$d/o.b" 4>&1 >/dev/null\`; y=\`size "$d/e.b" 4>&1 >/dev/null\`; k=o.b; K=e.b;`,
];

/** No more of stdout than $z encoded bytes. */
const cutStdout = [
  `[ "$x" -le "$z" ] || { if head -c "$z" <"$d/o.b" >"$d/o.c" || dd bs="$z" count=1 <"$d/o.b" >"$d/o.c"; then c=1; x=$z; k=o.c; fi; };`,
];
const frames = [
  `h="rc=$r timeout=$l enc=$q o=$a,$x,$A e=$b,$y,$B cut=$c miss=$m";`,
  `printf 'AKSGW1 H %s %s\\n' "$n" "$h" >&3; show "$d/$K"; show "$d/$k"; printf 'AKSGW1 T %s %s\\n' "$n" "$h" >&3;`,
];

/** The launcher of one command, one line: expects its words as "$@". */
export const script: string = [
  ...prelude,
  REPORT,
  `i=/dev/null; [ ! -f .aksgw/stdin ] || i=.aksgw/stdin;`,
  FOLDER,
  // Without any writable place: run plainly, raw mode.
  `[ -n "$d" ] || exec "$@" <"$i" >&3 2>&3 3>&-;`,
  // Whom a cancel signals. The shell's own pid, in the one spelling that Kubernetes leaves alone.
  `printf %s "\${$}" >"$d/pid";`,
  ...run,
  ...measure,
  `z=${encodedCap.besideLittle}; [ "$y" -le ${encodedCap.little} ] || z=${encodedCap.besideMuch};`,
  ...cutStdout,
  ...frames,
  `rm -rf "$d"; exit $r`,
].join(' ');

/** Encoded bytes that all steps share, and what the frame lines of each take of them. */
const STEPS_CAP = 500_000;
const STEP_LINES = 900;
/** An eighth of a step's share is stderr's, if it has that much to say. */
const STDERR_PART = 8;

/**
 * Arithmetic without "$(" side by side: the two halves are joined by the shell, inside eval. A step's share is an equal one of what is
 * left, so that what earlier ones did not use is passed on.
 */
const sum = (name: string, expression: string): string => `eval '${name}=$''((${expression}))';`;

/**
 * The launcher of several commands in order. Each runs in a subshell of its own, with its nonce in $n, its time in $t and its number
 * in $s; TERM ends the one that runs, and the rest is reported as not reached. There is no raw mode: a step without a folder is not
 * started, since nothing could tell its output from another's.
 */
const stepFunction = (onError: 'stop' | 'continue', tools: boolean): readonly string[] => [
  ...prelude,
  REPORT,
  `unset V; V=${tools ? 1 : ''};`,
  // A step has a working folder of its own: what was relative to the pod's must stay in force.
  `case "\${KUBECONFIG-}" in ""|/*|*:*) ;; *) KUBECONFIG=$W/$KUBECONFIG;; esac;`,
  `E=; F=0; R=${STEPS_CAP}; P=; d=; G=;`,
  // The subshell's own trap may not stand yet: then it finds the file.
  // printf: a redirection that fails on a special built-in such as `:` would end the shell (POSIX, XCU 2.8.1).
  `trap 'G=1; E=1; [ -z "$d" ] || { printf "" >"$d/stop"; [ ! -f "$d/ready" ] || [ -z "$P" ] || kill -TERM "$P"; }' TERM INT HUP;`,
  `skip() { E=1; printf 'AKSGW1 N %s\\n' "$n" >&3; };`,
  `inside() {`,
  `i=/dev/null; [ ! -f "$W/.aksgw/$s.in" ] || i=$W/.aksgw/$s.in;`,
  `if [ -d "$W/.aksgw/$s" ]; then cd "$W/.aksgw/$s" || exit 0; else mkdir "$d/w" && cd "$d/w" || exit 0; fi;`,
  ...run.flatMap((line) => (line.includes('AKSGW1 S') ? [`[ ! -f "$d/stop" ] || exit 0; : >"$d/ran";`, line] : [line])),
  ...measure,
  sum('z', 'Z'),
  sum('Y', `Z/${STDERR_PART}`),
  `[ "$y" -le "$Y" ] || { if head -c "$Y" <"$d/e.b" >"$d/e.c" || dd bs="$Y" count=1 <"$d/e.b" >"$d/e.c"; then c=1; y=$Y; K=e.c; fi; };`,
  sum('z', 'Z-y'),
  ...cutStdout,
  ...frames,
  `printf '%s\\n' "$x $y" >"$d/used"; : >"$d/shown"; exit $r;`,
  `};`,
  `step() {`,
  `if [ -n "$E" ]; then skip; return; fi;`,
  FOLDER,
  `if [ -z "$d" ]; then skip; return; fi;`,
  `printf %s "\${$}" >"$d/main"; P=;`,
  sum('Z', `R/L-${STEP_LINES}`),
  // The first that runs tells of the pod's tools, for all.
  `inside "$@" & P=$!; V=; printf %s "$P" >"$d/pid";`,
  // The trap may have come before $P was known.
  `[ ! -f "$d/stop" ] || [ ! -f "$d/ready" ] || kill -TERM "$P";`,
  `wait "$P"; r=$?; while kill -0 "$P"; do wait "$P"; r=$?; done; P=;`,
  `u=0; v=0; [ ! -f "$d/used" ] || read -r u v <"$d/used";`,
  sum('R', `R-u-v-${STEP_LINES}`),
  sum('L', 'L-1'),
  // Began and did not show its end: nobody knows, so nothing goes on as if it had worked.
  `if [ ! -f "$d/shown" ]; then if [ -f "$d/ran" ]; then r=255; else skip; r=255; fi; fi;`,
  `o=$d; d=; rm -rf "$o";`,
  `[ "$r" = 0 ] || { [ "$F" != 0 ] || F=$r; ${onError === 'stop' ? 'E=1;' : '[ -z "$G" ] || E=1;'} };`,
  `};`,
];

/** A step as the program names it. */
interface StepText {
  /** Quoted words. */
  readonly words: string;
  /** Sets $n, $t, and POD_NAMESPACE where there is one. */
  readonly settings: string;
}

/** The launcher of several commands, one line. */
export function stepsScript(steps: readonly StepText[], onError: 'stop' | 'continue', tools = false): string {
  const calls = steps.map(({ words, settings }, index) => `s=${index}; ${settings} step ${words};`);
  return [...stepFunction(onError, tools), `L=${steps.length};`, ...calls, 'exit "$F"'].join(' ');
}
