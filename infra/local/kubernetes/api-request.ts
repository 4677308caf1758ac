import type { Json } from './json.ts';
import type { Kind } from './kinds.ts';
import type { RecordedRequest } from './recorded-request.ts';

export interface ApiRequest {
  readonly kind: Kind;
  readonly record: RecordedRequest;
  readonly query: URLSearchParams;
  readonly body: Json | undefined;
  readonly contentType: string;
  readonly accept: string;
}
