import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { createSigningKey } from '../../shared/audit/signature.ts';

/** OpenSSL's verifier takes r and s of fixed length; one signature in 128 has a number that is shorter in DER. */
describe('the signature of a batch', () => {
  test('is what OpenSSL takes for one, of 64 bytes, with s in its lower half, whatever the length of r and s', () => {
    const key = createSigningKey();
    const publicKey = createPublicKey({ key: { ...key.jwk }, format: 'jwk' });
    const data = Buffer.from('eyJ9.e30');
    let short = 0;
    for (let count = 0; count < 3_000; count++) {
      const signature = Buffer.from(key.sign(data));
      expect(signature).toHaveLength(64);
      expect(signature[32]).toBeLessThan(0x80);
      expect(verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
      if (signature[0] === 0 || signature[32] === 0) short++;
    }
    expect(short).toBeGreaterThan(0);
  });
});
