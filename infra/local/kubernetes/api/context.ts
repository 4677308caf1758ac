import type { Clock } from '../../../../shared/clock.ts';
import type { Json, JsonObject } from '../json.ts';
import type { Kind } from '../kinds.ts';
import type { RecordedRequest } from '../recorded-request.ts';
import type { Storage } from '../storage.ts';

export type Reply =
  | { readonly status: number; readonly body: Json }
  | { readonly status: number; readonly text: string }
  | {
      readonly status: number;
      /** Starts the stream; the answer stops it. */
      readonly stream: (write: (event: JsonObject) => void, end: () => void) => () => void;
    };

/** What the verbs work with. */
export interface ApiContext {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly kinds: () => readonly Kind[];
  readonly allows: (request: RecordedRequest) => boolean;
}
