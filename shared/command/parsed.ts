import type { Command } from './grammar/grammar.ts';

/**
 * An argv read with the grammar, as the real tool would read it (pflag), before anything is known of its meaning. Every word
 * has its place here or the command was refused.
 */
export interface Parsed {
  readonly tool: 'kubectl' | 'helm';
  readonly command: Command;
  /** The command's: `['rollout', 'restart']`; aliases resolved. */
  readonly path: readonly string[];
  /** Positional words in order, without the `--`. */
  readonly args: readonly string[];
  /** How many of `args` stood before a `--`; undefined without one. */
  readonly dash: number | undefined;
  /**
   * By canonical long name (`namespace`, `dry-run`), every value given, in order. Booleans as `true` or `false`; a bare
   * optional-value flag as the value it stands for. CSV lists are already split. Nothing here that the caller did not write.
   */
  readonly flags: ReadonlyMap<string, readonly string[]>;
}
