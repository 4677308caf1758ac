import type { YamlBudget } from './yaml.ts';
import type { ResourceAttributes } from '../kubernetes/attributes.ts';

/** What a caller asks for, as it came: words not yet understood, files not yet read. */
export interface CommandRequest {
  readonly argv: readonly string[];
  readonly files: readonly RequestFile[];
  readonly stdin?: string | undefined;
  /** The command's own time-out: the tool's waits are kept inside it. */
  readonly timeoutSeconds?: number | undefined;
  /** Shared by the commands of one request; a command that comes alone has one of its own. */
  readonly budget?: YamlBudget | undefined;
}

export interface RequestFile {
  /** Relative, forward slashes, below the working folder. Checked by the command room. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * A command understood: what Kubernetes will be asked, and what will be sent. Both come from one parse, so that policy judges
 * the very objects that go out.
 */
export interface Invocation {
  readonly tool: 'kubectl' | 'helm';
  /** `get`, `rollout restart`, `helm` verbs likewise: `install`, `get values`. */
  readonly verb: string;
  /** The caller's own words, data included: for the caller, and for the trail, which hides and digests what is data. */
  readonly asked: readonly string[];
  /** The same with data replaced: what records and logs may hold. */
  readonly argv: readonly string[];
  /** Everything Kubernetes will be asked; empty for what asks nothing of a resource (`version`). */
  readonly attributes: readonly ResourceAttributes[];
  /** What the pods that it brings take, for rules' `podSecurity` and `serviceAccounts`. */
  readonly podSecurity: PodSecurity;
  /** Uploaded charts by digest, for rules with `charts:`. */
  readonly charts: readonly ChartDigest[];
  readonly sent: SentCommand;
  /** Set for what the gateway answers itself: nothing is sent, and no pod starts. */
  readonly answer?: Answer | undefined;
  /** Set for a command without an end of its own: it gets no more than these seconds, whatever time-out was asked for. */
  readonly windowSeconds?: number | undefined;
  /** What the caller should know: a limit that was cut, a warning of the parser. */
  readonly warnings: readonly string[];
  /**
   * The same command without what it can do without, for a caller who is not allowed all of it: a delete that does not wait. It
   * has attributes and a text of its own, and a warning that says so; understood only when it is asked for.
   */
  readonly lesser?: (() => Invocation) | undefined;
}

/** A question that is about the gateway and not about the cluster. */
export type Answer =
  | { readonly kind: 'text'; readonly stdout: string }
  /** Whether all of these are allowed. */
  | { readonly kind: 'can-i'; readonly asked: readonly ResourceAttributes[]; readonly quiet: boolean }
  | { readonly kind: 'can-i-list'; readonly namespace: string; readonly headers: boolean }
  | { readonly kind: 'whoami'; readonly output: 'table' | 'json' };

/** What the pods of a command take, held to the Pod Security Standards. */
export interface PodSecurity {
  /** Why the standard "Baseline" does not cover them; empty when it does. */
  readonly beyondBaseline: readonly string[];
  /** Why, besides, "Restricted" does not. */
  readonly beyondRestricted: readonly string[];
  /** The service accounts that they name, `default` left out; '' is one that cannot be known. */
  readonly serviceAccounts: readonly string[];
}

export interface ChartDigest {
  readonly path: string;
  /** `sha256:<hex>` over the chart's files. */
  readonly digest: string;
}

/** What goes to Azure: the words for the shell to quote and the files beside them. Built by the gateway, never copied. */
export interface SentCommand {
  /** The whole argv with the tool first; of a program, `sh -c` and its text. */
  readonly words: readonly string[];
  /** Set for what takes several calls of the tool: `words` is made of it. */
  readonly program?: Program | undefined;
  /** Runs before it in the pod, and ends it there where what was judged does not hold any more. */
  readonly guard?: Program | undefined;
  readonly files: readonly SentFile[];
  readonly stdin?: Uint8Array | undefined;
  /** True when a word holds a secret: then the words travel in the context, not in the command text. */
  readonly secret: boolean;
}

/**
 * An sh program of the gateway's own, in parts that follow one another: constants, and words that are quoted when the text is made, so that
 * nothing of a caller is read by a shell as anything but a word. A call has the tool as its first word.
 */
export type Program = readonly ({ readonly sh: string } | { readonly words: readonly string[] })[];

export interface SentFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}
