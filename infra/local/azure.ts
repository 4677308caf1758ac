import { systemClock, type Clock } from '../../shared/clock.ts';
import { startArm, type ArmOptions, type EmulatedArm, type EmulatedCluster } from './arm.ts';
import { startEntra, type EmulatedEntra, type EntraOptions } from './entra.ts';
import { startKubernetes, type EmulatedKubernetes } from './kubernetes/server.ts';
import { shellPod, usesStandIn, type PodOptions } from './pod.ts';

export interface AzureOptions
  extends
    Pick<ArmOptions, 'throttles' | 'latency' | 'cut'>,
    Pick<PodOptions, 'kubeconfig' | 'tools' | 'shell' | 'standIn'> {
  /** Loopback ports; 0 or none takes a free one. */
  readonly ports?: { readonly entra?: number; readonly arm?: number; readonly kubernetes?: number };
  readonly clock?: Clock;
  /** The demo cluster has managed Entra integration and demands clusterToken. */
  readonly aad?: boolean;
  /** In place of the demo cluster. */
  readonly clusters?: readonly EmulatedCluster[];
  readonly entra?: Omit<EntraOptions, 'port' | 'clock'>;
}

export interface EmulatedAzure {
  readonly entra: EmulatedEntra;
  readonly arm: EmulatedArm;
  /** The in-memory cluster; stands idle when a kubeconfig is given. */
  readonly kubernetes: EmulatedKubernetes;
  /** What answers to `kubectl` in the pod: the installed one, or the stand-in where there is none. */
  readonly kubectl: 'installed' | 'stand-in';
  close(): Promise<void>;
}

export const DEMO_CLUSTER =
  '/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-demo/providers/Microsoft.ContainerService/managedClusters/aks-demo';

/** Entra, ARM, one private cluster and the pod between them, all on loopback. */
export async function startAzure(options: AzureOptions = {}): Promise<EmulatedAzure> {
  const { ports = {}, clock = systemClock, aad = false, clusters = [{ resourceId: DEMO_CLUSTER, aad }] } = options;
  const { throttles, latency, cut, kubeconfig, tools, shell, standIn } = options;
  const opened: { close(): Promise<void> }[] = [];
  const opens = async <T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const started = await starting;
    opened.unshift(started);
    return started;
  };
  const close = async (): Promise<void> => {
    for (const part of opened.splice(0)) await part.close();
  };
  try {
    const kubernetes = await opens(startKubernetes({ port: ports.kubernetes ?? 0, clock }));
    const entra = await opens(startEntra({ ...options.entra, port: ports.entra ?? 0, clock }));
    const pod: PodOptions = {
      kubernetes,
      clock,
      ...(kubeconfig !== undefined && { kubeconfig }),
      ...(tools !== undefined && { tools }),
      ...(shell !== undefined && { shell }),
      ...(standIn !== undefined && { standIn }),
    };
    const arm = await opens(
      startArm({
        port: ports.arm ?? 0,
        clock,
        clusters,
        entra: { authority: entra.authority, tenants: entra.tenants },
        runner: shellPod(pod),
        ...(throttles !== undefined && { throttles }),
        ...(latency !== undefined && { latency }),
        ...(cut !== undefined && { cut }),
      }),
    );
    return { entra, arm, kubernetes, kubectl: usesStandIn(pod) ? 'stand-in' : 'installed', close };
  } catch (error) {
    await close();
    throw error;
  }
}
