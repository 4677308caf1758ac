import * as Type from 'typebox';
import { Compile } from 'typebox/compile';
import type { Finding } from './findings.ts';
import type { KeyDecision } from './root-keys.ts';

/** What a verifier keeps from one time to the next: what was there must still be there. */
export interface TrailState {
  readonly version: 1;
  /** The trail's id, once it was seen under a root key that was named. */
  readonly trail?: string | undefined;
  /** Thumbprints (RFC 7638) of the root keys to believe. */
  readonly rootKeys: readonly string[];
  readonly keys?: Readonly<Record<string, KeyDecision>> | undefined;
  /** Each stream as far as it was signed, and when (RFC 3339) it was last seen to end there. */
  readonly streams: Readonly<Record<string, { readonly seq: number; readonly hash: string; readonly at: string }>>;
  readonly acknowledged?: readonly Acknowledgement[] | undefined;
}

/** A finding that somebody has explained. */
export interface Acknowledgement {
  /** The finding's own. */
  readonly id: string;
  readonly kind: string;
  readonly stream: string;
  readonly seq?: number | undefined;
  readonly message: string;
  readonly by: string;
  /** RFC 3339. */
  readonly at: string;
  readonly why: string;
}

export const emptyState: TrailState = { version: 1, rootKeys: [], streams: {} };

const closed = { additionalProperties: false } as const;
const Text = Type.String();
const Seq = Type.Integer({ minimum: 0 });
const stateCheck = Compile(
  Type.Object(
    {
      version: Type.Literal(1),
      trail: Type.Optional(Text),
      rootKeys: Type.Array(Text),
      keys: Type.Optional(
        Type.Record(
          Text,
          Type.Object({ status: Type.Enum(['retired', 'revoked']), from: Text, by: Text, why: Text }, closed),
        ),
      ),
      streams: Type.Record(Text, Type.Object({ seq: Seq, hash: Text, at: Text }, closed)),
      acknowledged: Type.Optional(
        Type.Array(
          Type.Object(
            {
              id: Text,
              kind: Text,
              stream: Text,
              seq: Type.Optional(Type.Integer()),
              message: Text,
              by: Text,
              at: Text,
              why: Text,
            },
            closed,
          ),
        ),
      ),
    },
    closed,
  ),
);

/** Reads a state file. Throws Error that says what is wrong with it: a state that is passed over would let a change through. */
export function parseState(text: string): TrailState {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error('the state file is not JSON', { cause: error });
  }
  if (stateCheck.Check(value)) return value;
  const [first] = stateCheck.Errors(value);
  throw new Error(`the state file is not one of ours: ${first?.instancePath ?? ''} ${first?.message ?? ''}`);
}

export const renderState = (state: TrailState): string => `${JSON.stringify(state, null, 2)}\n`;

/** Adds an explanation. Throws Error when nothing of that id was found. */
export function acknowledge(
  state: TrailState,
  findings: readonly Finding[],
  { id, ...word }: Pick<Acknowledgement, 'id' | 'by' | 'at' | 'why'>,
): TrailState {
  const finding = findings.find((one) => one.id === id);
  if (!finding) throw new Error(`nothing was found that has the id ${id}`);
  const { kind, stream, seq, message } = finding;
  const others = (state.acknowledged ?? []).filter((one) => one.id !== id);
  return { ...state, acknowledged: [...others, { id, kind, stream, seq, message, ...word }] };
}
