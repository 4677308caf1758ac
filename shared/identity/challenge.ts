/** What a 401 says in WWW-Authenticate (RFC 6750, section 3, RFC 9728, section 5.1). */
interface Challenge {
  /** Left out when no token was sent at all (RFC 6750, section 3.1). */
  readonly error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope' | 'insufficient_claims' | undefined;
  readonly description?: string | undefined;
  readonly scope?: string | undefined;
  /** Base64 of what Entra wants before it gives another token (claims challenge). */
  readonly claims?: string | undefined;
  /** Where the protected-resource metadata stands: only the http room knows its own address. */
  readonly resourceMetadata?: string | undefined;
}

/** RFC 6750, section 3 allows %x20-21 / %x23-5B / %x5D-7E in a value: no quote, no backslash, nothing but printable ASCII. */
const quoted = (text: string): string => `"${text.replace(/["\\]/g, "'").replace(/[^\x20-\x7e]/g, '?')}"`;

/** The one place that writes a `WWW-Authenticate: Bearer …` value. */
export function challenge(parts: Challenge = {}): string {
  const parameters: (readonly [string, string | undefined])[] = [
    ['realm', 'aks-access-gateway'],
    ['error', parts.error],
    ['error_description', parts.description],
    ['scope', parts.scope],
    ['claims', parts.claims],
    ['resource_metadata', parts.resourceMetadata],
  ];
  const given = parameters.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${quoted(value)}`]));
  return `Bearer ${given.join(', ')}`;
}

/** Adds the metadata's address to a challenge made above, which always carries a parameter already. */
export const withResourceMetadata = (made: string, url: string): string => `${made}, resource_metadata=${quoted(url)}`;
