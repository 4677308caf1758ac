/** kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity: suffixes and what they multiply by. */
const suffixes: Readonly<Record<string, number>> = {
  '': 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** A Kubernetes quantity as a number: cores or bytes. Undefined for what is not one. */
function quantity(text: string): number | undefined {
  const [, digits, suffix = ''] =
    /^([+-]?\d{1,30}(?:\.\d{0,30})?(?:[eE][+-]?\d{1,3})?)([numkMGTPE]|[KMGTPE]i)?$/.exec(text) ?? [];
  const factor = suffixes[suffix];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}

/** `250m/64Mi` as cores and bytes. */
export interface Resources {
  readonly cpu: number | undefined;
  readonly memory: number | undefined;
}

export function resources(text: string): Resources {
  const [cpu = '', memory = ''] = text.split('/');
  return { cpu: quantity(cpu), memory: quantity(memory) };
}

/** Of several containers; undefined when one of them is not known. */
export const total = (some: readonly (number | undefined)[]): number | undefined =>
  some.length === 0 || some.includes(undefined) ? undefined : some.reduce<number>((sum, one) => sum + (one ?? 0), 0);

/** Whole percent of something; undefined where either is not known. */
export const percent = (used: number | undefined, of: number | undefined): number | undefined =>
  used === undefined || of === undefined || of <= 0 ? undefined : Math.round((100 * used) / of);
