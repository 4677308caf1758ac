import type { CommandContext } from '../../config/config.ts';
import type { Answer, CommandRequest, PodSecurity, Program, SentFile } from '../invocation.ts';
import type { Parsed } from '../parsed.ts';
import type { Catalog } from '../../kubernetes/resources.ts';
import type { Uploads } from '../files.ts';
import type { YamlBudget } from '../yaml.ts';
import type { Needs } from './needs.ts';

/** One verb of kubectl: which of its flags the gateway understands, and what a call of it means. */
export interface Verb {
  readonly flags: FlagTable;
  readonly means: (call: Call) => Meaning;
}

/** A parsed command with everything that its meaning may depend on. */
export interface Call {
  readonly parsed: Parsed;
  readonly request: CommandRequest;
  readonly context: CommandContext;
  readonly catalog: Catalog;
  readonly uploads: Uploads;
  readonly yamlBudget: YamlBudget;
  /** The namespace of what names none itself: `-n`, or the cluster's default. */
  readonly namespace: string;
  /** True when the caller gave `-n`. */
  readonly namespaceGiven: boolean;
  readonly needs: Needs;
  /** The last value of a flag, as pflag takes it; undefined when it was not given. */
  readonly flag: (name: string) => string | undefined;
  readonly flags: (name: string) => readonly string[];
  /** A boolean flag that was given as true. */
  readonly on: (name: string) => boolean;
  readonly warn: (warning: string) => void;
}

/** What a verb makes of a call. Flags of its table go out as they were parsed unless `flags` says otherwise. */
export interface Meaning {
  /** Positional words, rebuilt. */
  readonly args: readonly string[];
  /** Words after a `--`: a container's command. */
  readonly tail?: readonly string[] | undefined;
  /** Flags that go out otherwise than they came; an empty list leaves a flag out. */
  readonly flags?: Readonly<Record<string, readonly string[]>> | undefined;
  readonly files?: readonly SentFile[] | undefined;
  readonly stdin?: Uint8Array | undefined;
  /** `given`: -n goes out; `none`: every object carries its own (kubectl then rejects objects of other namespaces, measured). */
  readonly namespace?: 'given' | 'none' | undefined;
  /** What the pods that it brings take; left out by what brings none. */
  readonly podSecurity?: PodSecurity | undefined;
  /**
   * The same command as it is asked for by who may not have all of it: with other words, or with flags that do without a part which kubectl
   * forgives; and what the caller is told then.
   */
  readonly lesser?: Lesser | undefined;
  /** Another verb than the caller's: its whole words, with nothing added. */
  readonly words?: readonly string[] | undefined;
  /** What takes several calls: the program, of the words that would go out otherwise. */
  readonly program?: ((words: readonly string[]) => Program) | undefined;
  /** What the gateway answers itself. */
  readonly answer?: Answer | undefined;
  /** True when a word that goes out holds a secret. */
  readonly secret?: boolean | undefined;
}

export interface Lesser {
  readonly args?: readonly string[] | undefined;
  readonly flags?: Readonly<Record<string, string>> | undefined;
  readonly warning: string;
}

/** What becomes of a flag that the grammar knows. A flag in no table is refused too: nothing goes out that was not thought about. */
export type FlagRule =
  | { readonly kind: 'sent'; readonly send?: Send }
  /** Left out of what goes out, which the caller is told. */
  | { readonly kind: 'dropped'; readonly warning: string }
  | { readonly kind: 'refused'; readonly why: string };

/** The value that goes out for one that came, or a refusal thrown. */
export type Send = (value: string, call: Call, flag: string) => string;

export type FlagTable = Readonly<Record<string, FlagRule>>;
