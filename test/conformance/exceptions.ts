/** An attribute that we ask for although no kubectl was seen to need it in any recorded state. */
export interface Exception {
  readonly command: RegExp;
  /** As describeAttributes writes it. */
  readonly attribute: RegExp;
  readonly reason: string;
}

export const exceptions: readonly Exception[] = [
  {
    command: /--dry-run=(?:client|server)/u,
    attribute: /^(?:create|patch|delete|get|list|watch) /u,
    reason: 'a dry run never reduces what is needed: what it prints can be as much as the real thing',
  },
  {
    command: / -o (?:yaml|json)$/u,
    attribute: /^get /u,
    reason: 'what is printed is the object, as a read would be',
  },
  {
    command: /--subresource=status/u,
    attribute: /^get deployments\.apps web /u,
    reason: 'what comes back is the object, not its status alone',
  },
  {
    command: /(?:apply|diff) .*--server-side/u,
    attribute: /^create /u,
    reason:
      'a server-side apply creates by a patch; the API server asks for create itself when the object is not there',
  },
  {
    command: /^apply .*--force$/u,
    attribute: /^delete /u,
    reason: 'only when the patch cannot be made is the object deleted and made again',
  },
  {
    command: /^(?:scale|patch) -f/u,
    attribute: /^get /u,
    reason: 'kubectl takes the object from the file; to change it is to know it',
  },
  {
    command: /^delete all -l app=none$/u,
    attribute: /^delete /u,
    reason: 'the query finds nothing',
  },
  {
    command: /^delete (?:pods web-1 db-0|deploy\/web svc\/web|-f folder|-f cluster\.yaml)/u,
    attribute: /^(?:get|list|watch) /u,
    reason: 'kubectl waits for one object after the other, and the first never ends',
  },
  {
    command: /^(?:delete pod|wait pod\/)\s?gone/u,
    attribute: /^(?:list|watch) /u,
    reason: 'what is not there is not waited for',
  },
  {
    command: /^(?:delete|wait|rollout status) /u,
    attribute: /^list /u,
    reason:
      'kubectl up to 1.34 lists what it then watches; from 1.35 on one watch does both where the server can (WatchList)',
  },
  {
    command: /^(?:logs|exec) job\/once/u,
    attribute: /^(?:get pods\/log|create pods\/exec) /u,
    reason: 'a job knows its pods by a label that only the controller gives',
  },
  {
    command: /^set env deploy\/web MODE-$/u,
    attribute: /^patch /u,
    reason: 'there is no such variable, so nothing is changed',
  },
  {
    command: /^events -w$/u,
    attribute: /^list /u,
    reason: 'kubectl watches without a list; who may see each event may see them all',
  },
  {
    command: /^apply -f fresh\.yaml -n default$/u,
    attribute: /^patch /u,
    reason: 'the objects are in shop alone, so that in default they are always created',
  },
  {
    command: /^describe (?:clusterrole view|crd widgets\.example\.com)$/u,
    attribute: /^list (?:clusterroles|customresourcedefinitions)\./u,
    reason: 'it is there in every state, so that kubectl never looks for names that begin so',
  },
  {
    command: /^describe (?:pods we|cm web)$/u,
    attribute: /^list events /u,
    reason: 'what is found by the beginning of its name is described without events; by its whole name with them',
  },
  {
    command: /^describe deploy,nodes -A -l app=web$/u,
    attribute: /^(?:list events |get nodes|list pods |get leases|list resourceslices)/u,
    reason: 'no node has this label, and several objects are described without events',
  },
  {
    command: /^run .*--pod-running-timeout=1s/u,
    attribute: /^get pods\/log /u,
    reason: 'no pod ever starts there',
  },
];
