import { systemClock, type Clock } from '../../../shared/clock.ts';
import type { Exec } from '../kubernetes/exec.ts';
import type { Json } from '../kubernetes/json.ts';
import type { EmulatedKubernetes } from '../kubernetes/server.ts';
import { timestamp } from '../kubernetes/storage.ts';

/** How long a pod of run command stays after its end (learn.microsoft.com/troubleshoot/azure/azure-kubernetes/run-command). */
const KEPT_MS = 15 * 60_000;
const NAMESPACE = 'aks-command';

/** The pod of one command while its container runs. */
interface CommandPod {
  end(exitCode: number): void;
}

/** Shows the pods of run command in the emulated cluster, with their spec, and lets `kubectl exec` and `kubectl delete` reach them. */
export function createCommandPods(kubernetes: EmulatedKubernetes, clock: Clock = systemClock) {
  const ended: { readonly name: string; readonly at: number }[] = [];

  const forgetOld = (): void => {
    while (ended[0] && clock.now() - ended[0].at > KEPT_MS)
      kubernetes.remove('Pod', NAMESPACE, ended.shift()?.name ?? '');
  };

  return {
    /** `deleted` is called when the pod is deleted while it runs. */
    start(commandId: string, text: string, exec: Exec, deleted: () => void): CommandPod {
      forgetOld();
      const name = `command-${commandId}`;
      const startTime = timestamp(clock.now());
      const put = (phase: string, state: Json): void => {
        kubernetes.put({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name, namespace: NAMESPACE, annotations: { 'aks.azure.com/runCommand': 'true' } },
          spec: {
            restartPolicy: 'Never',
            serviceAccountName: `sa-${commandId}`,
            containers: [
              {
                name: 'user-command',
                image: 'mcr.microsoft.com/aks/command/runtime:emulated',
                command: ['/bin/sh', '-c', text],
              },
            ],
          },
          status: {
            phase,
            startTime,
            containerStatuses: [{ name: 'user-command', ready: phase === 'Running', restartCount: 0, state }],
          },
        });
      };
      put('Running', { running: { startedAt: startTime } });
      kubernetes.containers.set(`${NAMESPACE}/${name}`, { exec, deleted });
      return {
        end(exitCode) {
          kubernetes.containers.delete(`${NAMESPACE}/${name}`);
          if (!kubernetes.find('Pod', NAMESPACE, name)) return;
          const reason = exitCode === 0 ? 'Completed' : 'Error';
          const times = { startedAt: startTime, finishedAt: timestamp(clock.now()) };
          put(exitCode === 0 ? 'Succeeded' : 'Failed', { terminated: { exitCode, reason, ...times } });
          ended.push({ name, at: clock.now() });
        },
      };
    },
  };
}
