const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of UTF-8 bytes, a byte-order mark included. Throws TypeError for bytes that are not UTF-8, instead of replacing them. */
export const decodeUtf8 = (bytes: Uint8Array): string => strict.decode(bytes);
