import type { Clock } from '../../../shared/clock.ts';

interface Bucket {
  /** Takes one token; seconds until there is one when there is none. */
  take(): { readonly ok: true; readonly left: number } | { readonly ok: false; readonly retryAfter: number };
}

/** Starts full with `burst` tokens and gains `perSecond` of them each second. */
function createBucket(clock: Clock, burst: number, perSecond: number): Bucket {
  let tokens = burst;
  let filled = clock.monotonic();
  return {
    take: () => {
      const now = clock.monotonic();
      tokens = Math.min(burst, tokens + ((now - filled) / 1000) * perSecond);
      filled = now;
      // Rounding must not make a client wait that came exactly in time.
      if (tokens < 1 - 1e-9) return { ok: false, retryAfter: Math.max(1, Math.ceil((1 - tokens) / perSecond)) };
      tokens -= 1;
      return { ok: true, left: Math.floor(tokens) };
    },
  };
}

type Admission =
  | { readonly ok: true; readonly remaining: number }
  | { readonly ok: false; readonly by: 'aks' | 'arm'; readonly retryAfter: number };

export interface Throttles {
  admit(subscription: string, operation: 'runCommand' | 'commandResult' | 'cluster'): Admission;
}

/**
 * Documented: the AKS resource provider gives "all other APIs" 60 burst and 1 a second per subscription and region, ARM itself
 * 250 + 25/s reads and 200 + 10/s writes (learn.microsoft.com/azure/aks/quotas-skus-regions; /azure/azure-resource-manager/management/
 * request-limits-and-throttling). That runCommand and commandResults share the small bucket is the careful reading of it, not known.
 * 'off' admits everything and gives the numbers that the recordings show.
 */
export function createThrottles(clock: Clock, mode: 'documented' | 'off'): Throttles {
  if (mode === 'off')
    return { admit: (_, operation) => ({ ok: true, remaining: operation === 'runCommand' ? 1199 : 11_999 }) };
  const subscriptions = new Map<string, { aks: Bucket; reads: Bucket; writes: Bucket }>();
  const bucketsOf = (subscription: string) => {
    const known = subscriptions.get(subscription) ?? {
      aks: createBucket(clock, 60, 1),
      reads: createBucket(clock, 250, 25),
      writes: createBucket(clock, 200, 10),
    };
    subscriptions.set(subscription, known);
    return known;
  };
  return {
    admit: (subscription, operation) => {
      const { aks, reads, writes } = bucketsOf(subscription.toLowerCase());
      const arm = (operation === 'runCommand' ? writes : reads).take();
      if (!arm.ok) return { ok: false, by: 'arm', retryAfter: arm.retryAfter };
      // GET managedClusters has a bucket of its own, per cluster; nothing here comes near it.
      const provider = operation === 'cluster' ? undefined : aks.take();
      if (provider && !provider.ok) return { ok: false, by: 'aks', retryAfter: provider.retryAfter };
      return { ok: true, remaining: arm.left };
    },
  };
}
