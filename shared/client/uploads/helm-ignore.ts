/**
 * `.helmignore`, by helm's own rules (helm.sh/docs/chart_template_guide/helm_ignore_file; helm pkg/ignore): no `**`; a slash at the end means
 * folders; a pattern without a slash fits a name at any depth, one with a slash the path from the chart's folder; `!` turns a rule around.
 */
interface HelmIgnore {
  (path: string, folder: boolean): boolean;
}

interface Rule {
  readonly fits: (path: string) => boolean;
  readonly negate: boolean;
  readonly foldersOnly: boolean;
}

/** Throws Error for a rule that helm refuses. */
export function readHelmIgnore(text: string): HelmIgnore {
  // helm adds this one to every chart.
  const rules = [...text.split('\n'), 'templates/.?*'].flatMap((line) => ruleOf(line.replace(/\r$/, '').trim()) ?? []);
  return (path, folder) => {
    if (path === '' || path === '.') return false;
    for (const { fits, negate, foldersOnly } of rules) {
      if (negate) {
        if (foldersOnly && !folder) return true;
        if (!fits(path)) return true;
        continue;
      }
      if (foldersOnly && !folder) continue;
      if (fits(path)) return true;
    }
    return false;
  };
}

function ruleOf(line: string): Rule | undefined {
  if (line === '' || line.startsWith('#')) return undefined;
  if (line.includes('**')) throw new Error('.helmignore: double-star (**) syntax is not supported by helm');
  const negate = line.startsWith('!');
  let pattern = negate ? line.slice(1) : line;
  const foldersOnly = pattern.endsWith('/');
  if (foldersOnly) pattern = pattern.slice(0, -1);
  if (pattern.startsWith('/')) return { fits: globOf(pattern.slice(1)), negate, foldersOnly };
  if (pattern.includes('/')) return { fits: globOf(pattern), negate, foldersOnly };
  const name = globOf(pattern);
  return { fits: (path) => name(path.slice(path.lastIndexOf('/') + 1)), negate, foldersOnly };
}

/** A pattern of Go's filepath.Match: `*`, `?` and classes, none of which fits a slash. */
export function globOf(pattern: string): (text: string) => boolean {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const letter = pattern[at] ?? '';
    const closed = letter === '[' ? pattern.indexOf(']', at + 2) : -1;
    if (letter === '*') source += '[^/]*';
    else if (letter === '?') source += '[^/]';
    else if (closed !== -1) {
      const inside = pattern.slice(at + 1, closed).replace(/^\^/, '');
      source += `[${pattern[at + 1] === '^' ? '^/' : ''}${inside.replaceAll(/[\\[\]]/g, '\\$&')}]`;
      at = closed;
    } else if (letter === '\\' && at + 1 < pattern.length) source += quoted(pattern[++at] ?? '');
    else source += quoted(letter);
  }
  const whole = new RegExp(`^${source}$`, 's');
  return (text) => whole.test(text);
}

const quoted = (letter: string): string => letter.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&');
