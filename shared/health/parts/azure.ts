import { finder, summary } from '../answers.ts';
import type { AzureAnswer } from '../azure-view.ts';
import { worst, type Finding, type Part } from '../status.ts';

const found = finder('azure');

/** What Azure itself says of the cluster; read beside the pod, so that a stopped cluster is told as one. */
export function azure(answer: AzureAnswer): Part {
  if (answer.kind !== 'view') {
    const { kind: status, reason } = answer;
    return { status, reason, checks: { managedCluster: { status, reason } }, numbers: {}, findings: [] };
  }
  const { view, details } = answer;
  const cluster = { kind: 'managedcluster', namespace: '', name: details.name };
  const findings: Finding[] = [];
  if (view.powerState === 'stopped') findings.push(found('failing', 'stopped', cluster));
  if (view.runCommandDisabled)
    findings.push(found('failing', 'run-command-off', cluster, 'apiServerAccessProfile.disableRunCommand is set'));
  if (stuck.has(view.provisioningState))
    findings.push(found('degraded', 'provisioning', cluster, `state ${view.provisioningState}`));
  for (const { name, powerState, provisioningState } of details.pools) {
    const pool = { ...cluster, kind: 'agentpool', name };
    if (stuck.has(provisioningState))
      findings.push(found('degraded', 'provisioning', pool, `state ${provisioningState}`));
    if (powerState === 'stopped') findings.push(found('degraded', 'pool-stopped', pool));
  }
  const status = worst(findings.map(({ severity }) => severity));
  // Behind the control plane. Which newer versions Azure offers is another question of ARM (upgradeProfiles), which is not asked.
  const waiting = details.pools.filter(({ version }) => version !== '' && version !== details.version);
  const numbers = {
    powerState: view.powerState,
    provisioningState: view.provisioningState,
    tier: details.tier,
    sla: details.tier !== 'free',
    private: details.private,
    runCommand: !view.runCommandDisabled,
    localAccounts: details.localAccounts,
    entra: view.entra,
    version: details.version,
    pools: details.pools.map(({ name, version }) => ({ pool: name, version })),
    upgradesWaiting: waiting.map(({ name }) => name),
  };
  const sla = details.tier === 'free' ? ', tier free: no SLA' : '';
  const behind = waiting.length > 0 ? `, behind the control plane: ${numbers.upgradesWaiting.join(', ')}` : '';
  const reason =
    findings.length > 0 ? summary(findings) : `${view.powerState}, ${view.provisioningState}${sla}${behind}`;
  return { status, reason, checks: { managedCluster: { status } }, numbers, findings };
}

/** ARM's states after which something did not go as wanted, or is going on (learn.microsoft.com/azure/aks/cluster-health-status). */
const stuck: ReadonlySet<string> = new Set(['failed', 'canceled', 'deleting', 'creating', 'stopping', 'starting']);
