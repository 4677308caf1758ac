import type { Cluster } from '../config/config.ts';
import type { ResourceAttributes } from '../kubernetes/attributes.ts';
import { isRead } from './sensitive.ts';

/** Why a frozen cluster does not take this, from anybody: it takes reads only. Undefined: it does, or is not frozen. */
export const frozenFor = (
  cluster: Pick<Cluster, 'name' | 'frozen'> | undefined,
  attributes: readonly Pick<ResourceAttributes, 'verb'>[],
): string | undefined =>
  cluster?.frozen === undefined || attributes.every(({ verb }) => isRead(verb))
    ? undefined
    : `Cluster ${cluster.name} is frozen: ${cluster.frozen}`;
