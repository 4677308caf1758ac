declare const brand: unique symbol;

/** A string that is one kind of id and is not taken for another. Made where the id is made or read back, and nowhere else. */
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** A command of this gateway, as clients have it; Azure's own id for it is another. */
export type CommandId = Branded<'CommandId'>;

/** Several commands that run one after the other in one pod. */
export type BatchId = Branded<'BatchId'>;

/** An owner: `user:<tenant id>:<object id>`; `app:…+user:…` for an application with a person behind it. */
export type PrincipalKey = Branded<'PrincipalKey'>;

/** The part of a principal by which records, keys and limits are owned. */
export interface PrincipalId {
  readonly kind: 'user' | 'app' | 'job';
  /** '' for a job, which Entra does not know. */
  readonly tid: string;
  /** A job's name. */
  readonly oid: string;
}

/** By whom records, keys and limits are owned: a principal, or an application together with the person behind it. */
export interface OwnerId extends PrincipalId {
  readonly requester?: PrincipalId | undefined;
}
