import { refuse } from '../../lib/refuse.ts';
import { fileInput, globalFlags, printing, sent } from './flags.ts';
import { readTargets } from './targets.ts';
import type { Verb } from './verb.ts';

const SIGNING_REQUESTS = 'certificatesigningrequests.certificates.k8s.io';

/** Kubernetes asks for `approve` on the signer too (CertificateApproval admission); which one it is only the cluster knows. */
const decide: Verb = {
  flags: { ...globalFlags, ...printing, ...fileInput, force: sent },
  means: (call) => {
    const type = call.catalog.builtIn(SIGNING_REQUESTS);
    const targets = readTargets(call, { query: 'none', bareType: type });
    if (targets.kind !== 'named') throw refuse(call.parsed.path.join(' '), 'needs the name of a signing request');
    for (const item of targets.items) {
      if (item.type !== type) throw refuse(item.type.resource, 'is not a certificate signing request');
      call.needs.add('get', type, { name: item.name });
      call.needs.add('update', type, { name: item.name, subresource: 'approval' });
    }
    call.needs.addRaw({
      verb: 'approve',
      group: type.group,
      resource: 'signers',
      subresource: '',
      namespace: '',
      name: '',
    });
    return targets.sent;
  },
};

export const certificateVerbs: Readonly<Record<string, Verb>> = {
  'certificate approve': decide,
  'certificate deny': decide,
};
