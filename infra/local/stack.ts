import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { regularly } from '../../functions/regularly.ts';
import { version } from '../../functions/version.ts';
import { assemble, type Assembled } from '../../shared/assemble.ts';
import type { AssembleOptions } from '../../shared/assemble/options.ts';
import { startAzure, type AzureOptions, type EmulatedAzure } from './azure.ts';
import { onPath } from './pod/tools.ts';

/** Who is who in gateway.yaml: object ids of the emulated directory. */
export const people = {
  bot: '33333333-3333-4333-8333-333333333333',
  job: '44444444-4444-4444-8444-444444444444',
  user: '55555555-5555-4555-8555-555555555555',
  team: '66666666-6666-4666-8666-666666666666',
  auditor: '77777777-7777-4777-8777-777777777777',
} as const;

export const CLUSTER_ID =
  '/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-demo/providers/Microsoft.ContainerService/managedClusters/aks-demo';

/** Loopback ports; 0 takes a free one. */
interface Ports {
  readonly entra: number;
  readonly arm: number;
  readonly gateway: number;
}

export interface StackOptions extends Omit<AzureOptions, 'ports'> {
  /** Where the configuration and the gateway's data go. */
  readonly folder: string;
  readonly ports?: Ports;
  /** Whether a timer looks at the jobs; false where a test does. */
  readonly jobs?: boolean;
  /** More for the gateway's environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** A last word on the configuration's text. */
  readonly edit?: (yaml: string) => string;
  readonly gateway?: Partial<
    Pick<
      AssembleOptions,
      'clock' | 'entropy' | 'leaseMs' | 'logger' | 'openStores' | 'openTelemetry' | 'settleAfterMs' | 'resolve'
    >
  >;
}

export interface Stack {
  readonly azure: EmulatedAzure;
  readonly gateway: Assembled;
  /** The gateway's address. */
  readonly url: string;
  /** The configuration in force, as a file. */
  readonly config: string;
  /** What the gateway's processes need in their environment. */
  readonly env: NodeJS.ProcessEnv;
  close(): Promise<void>;
}

/** The whole house on loopback: emulated Entra, ARM and cluster, and a real gateway that knows no other. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const {
    folder,
    ports = { entra: 0, arm: 0, gateway: 0 },
    edit = (yaml) => yaml,
    gateway: own,
    ...azureOptions
  } = options;
  const { kubeconfig } = azureOptions;
  const azure = await startAzure({
    ...azureOptions,
    ...(kubeconfig !== undefined && { kubeconfig: ofRealCluster(kubeconfig) }),
    ports,
  });
  try {
    const written = writeConfig(folder, azure, ports.gateway, edit);
    const { config } = written;
    const env = { ...written.env, ...options.env };
    const gateway = await assemble({ location: config, env, version, ...own });
    await gateway.app.listen({ host: '127.0.0.1', port: ports.gateway });
    const { port } = gateway.app.server.address() as AddressInfo;
    const timers = [
      regularly('the sweep', gateway, () => gateway.sweep()),
      regularly('the deliveries', gateway, () => gateway.runDeliveries(0)),
      ...(options.jobs === false ? [] : [regularly('a look at the jobs', gateway, () => gateway.runJobs())]),
    ];
    const close = async (): Promise<void> => {
      await Promise.all(timers.map((timer) => timer.stop()));
      await gateway.close();
      await azure.close();
    };
    return { azure, gateway, url: `http://127.0.0.1:${port}`, config, env, close };
  } catch (error) {
    await azure.close();
    throw error;
  }
}

/** The kubeconfig as the pod finds it from its own folder. Throws when it cannot be read, or no real kubectl could use it. */
function ofRealCluster(kubeconfig: string): string {
  const path = resolve(kubeconfig);
  readFileSync(path);
  if (!onPath('kubectl', process.env['PATH'] ?? ''))
    throw new Error('with a kubeconfig the pod runs the real kubectl, and there is none on PATH');
  return path;
}

/** The example configuration with the addresses that the emulation really has. */
export function writeConfig(folder: string, azure: EmulatedAzure, port: number, edit: (yaml: string) => string) {
  const example = readFileSync(join(import.meta.dirname, 'gateway.yaml'), 'utf8');
  const yaml = edit(
    example
      .replace('http://127.0.0.1:7081', azure.entra.authority)
      .replace('http://127.0.0.1:7082', azure.arm.url)
      .replace('port: 7071', `port: ${port}`),
  );
  mkdirSync(folder, { recursive: true });
  const config = join(folder, 'gateway.yaml');
  writeFileSync(config, yaml);
  return { config, env: { ...process.env, AKSGW_ARM_TOKEN: 'a-token-for-the-emulated-azure' } };
}
