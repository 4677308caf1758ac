/** Major and minor of the tools in a cluster's run command pod, `1.30`, as the launcher reported them there. */
export interface PodTools {
  readonly kubectl?: string | undefined;
  readonly helm?: string | undefined;
}

/** `v1.30.2`, `v3.14.0+gc309b6f`: `1.30`, `3.14`. Undefined for what no version is: a pod may print anything. */
export function minorOf(version: string): string | undefined {
  const [, major, minor] = /^v(\d{1,3})\.(\d{1,3})\./u.exec(version) ?? [];
  return major === undefined ? undefined : `${major}.${minor}`;
}

/** Negative when `a` is the older one. */
export const compareVersions = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });
