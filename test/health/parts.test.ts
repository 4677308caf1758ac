import { expect, test } from '@jest/globals';
import { azure } from '../../shared/health/parts/azure.ts';
import type { AzureAnswer } from '../../shared/health/azure-view.ts';

const view = (pools: readonly (readonly [string, string])[]): AzureAnswer => {
  const details = {
    name: 'demo',
    tier: 'standard',
    private: true,
    vnetIntegration: false,
    localAccounts: true,
    longTermSupport: false,
    version: '1.35.2',
    pools: pools.map(([name, version]) => ({ name, version, powerState: 'running', provisioningState: 'succeeded' })),
  };
  const state = { powerState: 'running', provisioningState: 'succeeded', runCommandDisabled: false, entra: false };
  return { kind: 'view', view: { ...state, details }, details };
};

test('Azure’s part names the pools behind the control plane as what they are, and is well with them', () => {
  const behind = azure(
    view([
      ['system', '1.35.2'],
      ['batch', '1.33.1'],
      ['unknown', ''],
    ]),
  );
  expect([behind.status, behind.reason, behind.numbers['upgradesWaiting']]).toEqual([
    'ok',
    'running, succeeded, behind the control plane: batch',
    ['batch'],
  ]);
  expect(azure(view([['system', '1.35.2']])).reason).toBe('running, succeeded');
});
