import type { ClusterView } from '../relay/arm-answers.ts';

/** Azure's side of a look. */
export type AzureAnswer =
  | { readonly kind: 'view'; readonly view: ClusterView; readonly details: ClusterDetails }
  | { readonly kind: 'not-allowed' | 'unknown'; readonly reason: string };

export type ClusterDetails = ClusterView['details'];
