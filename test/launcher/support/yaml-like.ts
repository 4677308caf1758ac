import { randomBytes, randomInt, randomUUID } from 'node:crypto';

/** Something like `kubectl get pods -A -o yaml`: repetitive, with names and times that differ. */
export function yamlLike(length: number): string {
  const parts: string[] = [];
  let total = 0;
  for (let index = 0; total < length; index += 1) {
    const hex = (size: number): string => randomBytes(size).toString('hex');
    const uid = (): string => randomUUID();
    const name = `web-${hex(5)}-${hex(3).slice(0, 5)}`;
    const time = `2026-01-${String((index % 28) + 1).padStart(2, '0')}T08:${String(index % 60).padStart(2, '0')}:07Z`;
    const item = `- apiVersion: v1
  kind: Pod
  metadata:
    creationTimestamp: "${time}"
    generateName: ${name.slice(0, -5)}
    labels:
      app.kubernetes.io/instance: shop
      app.kubernetes.io/managed-by: Helm
      app.kubernetes.io/name: web
      pod-template-hash: ${name.slice(4, 14)}
    name: ${name}
    namespace: shop
    ownerReferences:
    - apiVersion: apps/v1
      blockOwnerDeletion: true
      controller: true
      kind: ReplicaSet
      name: ${name.slice(0, -6)}
      uid: ${uid()}
    resourceVersion: "${randomInt(1e8)}"
    uid: ${uid()}
  spec:
    affinity:
      podAntiAffinity:
        preferredDuringSchedulingIgnoredDuringExecution:
        - podAffinityTerm:
            labelSelector:
              matchLabels:
                app.kubernetes.io/name: web
            topologyKey: kubernetes.io/hostname
          weight: 100
    containers:
    - env:
      - name: LOG_LEVEL
        value: info
      - name: DATABASE_URL
        valueFrom:
          secretKeyRef:
            key: url
            name: database
      image: registry.example.com/shop/web:1.${index % 17}.3
      imagePullPolicy: IfNotPresent
      livenessProbe:
        failureThreshold: 3
        httpGet:
          path: /healthz
          port: http
          scheme: HTTP
        periodSeconds: 10
        successThreshold: 1
        timeoutSeconds: 1
      name: web
      ports:
      - containerPort: 8080
        name: http
        protocol: TCP
      resources:
        limits:
          cpu: 500m
          memory: 256Mi
        requests:
          cpu: 100m
          memory: 128Mi
      terminationMessagePath: /dev/termination-log
      terminationMessagePolicy: File
      volumeMounts:
      - mountPath: /var/run/secrets/kubernetes.io/serviceaccount
        name: kube-api-access-${hex(3).slice(0, 5)}
        readOnly: true
    dnsPolicy: ClusterFirst
    nodeName: aks-nodepool1-12345678-vmss00000${index % 9}
    preemptionPolicy: PreemptLowerPriority
    priority: 0
    restartPolicy: Always
    schedulerName: default-scheduler
    serviceAccountName: default
    terminationGracePeriodSeconds: 30
  status:
    conditions:
    - lastProbeTime: null
      lastTransitionTime: "${time}"
      status: "True"
      type: Initialized
    - lastProbeTime: null
      lastTransitionTime: "${time}"
      status: "True"
      type: Ready
    containerStatuses:
    - containerID: containerd://${hex(32)}
      image: registry.example.com/shop/web:1.${index % 17}.3
      imageID: registry.example.com/shop/web@sha256:${String(index % 17).repeat(40)}
      name: web
      ready: true
      restartCount: ${index % 3}
      started: true
      state:
        running:
          startedAt: "${time}"
    hostIP: 10.224.0.${index % 9}
    phase: Running
    podIP: 10.244.${index % 9}.${randomInt(255)}
    qosClass: Burstable
    startTime: "${time}"
`;
    parts.push(item);
    total += item.length;
  }
  return parts.join('').slice(0, length);
}
