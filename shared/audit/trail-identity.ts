import type { Entropy } from '../clock.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import type { AppendLog } from '../store/append-log.ts';
import type { Opening, PublicJwk } from './chain.ts';
import { verifyDetached, verifyingKey } from './signature.ts';

/** The file or blob beside the streams in which processes that begin together agree on the trail's name. */
export const TRAIL_FILE = 'trail.json';

const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
/** So many of the newest streams are asked. */
const ASKED = 8;

/**
 * The trail's id: the one that a newest stream under this root key is signed with; before there is one, what the file says, made by
 * the first process. A file that somebody damaged keeps nothing from starting. Rejects with StorageUnavailable.
 */
export async function trailId(log: AppendLog, root: PublicJwk, entropy: Entropy): Promise<string> {
  for (const stream of (await log.streams()).slice(-ASKED).toReversed()) {
    const id = await signedId(log, stream, root);
    if (id !== undefined) return id;
  }
  const made = entropy.uuid();
  return readTrailId(await log.keepOnce(TRAIL_FILE, `${JSON.stringify({ trail: made })}\n`)) ?? made;
}

async function signedId(log: AppendLog, stream: string, root: PublicJwk): Promise<string | undefined> {
  for await (const { text, complete } of log.read(stream)) {
    if (!complete) return undefined;
    try {
      const { opening, signature } = JSON.parse(text) as { readonly opening: Opening; readonly signature: string };
      const signed = verifyDetached(signature, 'aksgw-stream', verifyingKey(root), canonicalJson(opening));
      return signed ? opening.trail.id : undefined;
    } catch {
      // A damaged stream is verification's business.
      return undefined;
    }
  }
  return undefined;
}

function readTrailId(text: string): string | undefined {
  try {
    const { trail } = (JSON.parse(text) ?? {}) as { readonly trail?: unknown };
    return typeof trail === 'string' && uuid.test(trail) ? trail : undefined;
  } catch {
    return undefined;
  }
}
