import { finder, isKnown, partOf, rowsOf, type Answers } from '../answers.ts';
import { count } from '../rows.ts';
import type { Finding, Part } from '../status.ts';
import type { ClusterDetails } from '../azure-view.ts';

const found = finder('tunnel');

/** What has carried the control plane's way to the nodes, newest first (learn.microsoft.com/azure/aks/konnectivity; before it aks-link, tunnelfront). */
const tunnels = ['konnectivity-agent', 'aks-link', 'tunnelfront'];

/** Without it `logs`, `exec` and webhooks fail while everything else looks well. With API server VNet integration there is none. */
export function tunnel(answers: Answers, details: ClusterDetails | undefined): Part {
  const row = rowsOf(answers, 'tunnel').find(({ name }) => tunnels.includes(name));
  const [desired, ready] = (row?.fields ?? []).map(count);
  const integrated = details?.vnetIntegration === true;
  const findings: Finding[] = [];
  const whole = { kind: 'tunnel', namespace: 'kube-system', name: tunnels[0] ?? '' };
  if (row === undefined && isKnown(answers, 'tunnel') && !integrated)
    findings.push(found('failing', 'tunnel-missing', whole, `no ${tunnels.join(', ')}`));
  if (row && (ready ?? 0) < Math.max(1, desired ?? 0))
    findings.push(
      found(
        (ready ?? 0) === 0 ? 'failing' : 'degraded',
        'tunnel-not-ready',
        row,
        `${ready ?? 0} of ${desired ?? 0} ready`,
      ),
    );
  const kind = row?.name ?? (integrated ? 'none' : undefined);
  const well =
    integrated && !row ? 'none: the API server stands in the VNet' : `${kind}, ${ready ?? 0} of ${desired ?? 0} ready`;
  return partOf(answers, { tunnel: findings }, { kind, desired, ready }, well);
}
