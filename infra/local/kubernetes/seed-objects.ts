import type { JsonObject, KubeObject } from './json.ts';

/** What the nodes and /version say. */
export const SERVER_VERSION = 'v1.35.2';

export const nodeName = (index: number): string => `aks-system-31415926-vmss00000${index}`;

export function node(index: number, born: string): KubeObject {
  const ready = (type: string, status: string, reason: string, message: string): JsonObject => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: born,
    lastTransitionTime: born,
  });
  const resources = { cpu: '4', memory: '16375796Ki', pods: '110', 'ephemeral-storage': '129886128Ki' };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: nodeName(index),
      labels: {
        agentpool: 'system',
        'kubernetes.azure.com/mode': 'system',
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/hostname': nodeName(index),
        'kubernetes.io/os': 'linux',
        'node.kubernetes.io/instance-type': 'Standard_D4s_v5',
        'topology.kubernetes.io/zone': `westeurope-${index + 1}`,
      },
    },
    spec: { podCIDR: `10.244.${index}.0/24`, providerID: `azure:///subscriptions/emulated/virtualMachines/${index}` },
    status: {
      capacity: resources,
      allocatable: resources,
      conditions: [
        ready('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
        ready('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
        ready('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
        ready('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
      ],
      addresses: [
        { type: 'InternalIP', address: `10.224.0.${index + 4}` },
        { type: 'Hostname', address: nodeName(index) },
      ],
      nodeInfo: {
        architecture: 'amd64',
        containerRuntimeVersion: 'containerd://1.7.27-1',
        kernelVersion: '5.15.0-1089-azure',
        kubeletVersion: SERVER_VERSION,
        kubeProxyVersion: SERVER_VERSION,
        operatingSystem: 'linux',
        osImage: 'Ubuntu 22.04.5 LTS',
        machineID: `emulated-${index}`,
        systemUUID: `emulated-${index}`,
        bootID: `emulated-${index}`,
      },
    },
  };
}

export const deployment = (
  name: string,
  namespace: string,
  replicas: number,
  image: string,
  ports: number[],
): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace, labels: { app: name } },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        containers: [
          {
            name,
            image,
            ports: ports.map((containerPort) => ({ containerPort, protocol: 'TCP' })),
            resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
          },
        ],
      },
    },
  },
});

export const service = (
  name: string,
  namespace: string,
  selector: { [key: string]: string },
  ports: JsonObject[],
  clusterIP: string,
): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace, labels: { app: name } },
  spec: {
    type: 'ClusterIP',
    clusterIP,
    clusterIPs: [clusterIP],
    ports: ports.map((port) => ({ protocol: 'TCP', ...port })),
    sessionAffinity: 'None',
    ...(Object.keys(selector).length > 0 && { selector }),
  },
  status: { loadBalancer: {} },
});

export const event = (about: KubeObject, reason: string, message: string, when: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: '', generateName: `${about.metadata.name}.`, namespace: about.metadata.namespace ?? 'default' },
  involvedObject: {
    apiVersion: 'v1',
    kind: about.kind,
    name: about.metadata.name,
    namespace: about.metadata.namespace ?? 'default',
    uid: about.metadata.uid ?? '',
  },
  reason,
  message,
  type: 'Normal',
  count: 1,
  firstTimestamp: when,
  lastTimestamp: when,
  source: { component: 'kubelet' },
});
