import { summary, sentence, type Answer, type Answers } from './answers.ts';
import type { AzureAnswer } from './azure-view.ts';
import { azure } from './parts/azure.ts';
import { controlPlane } from './parts/control-plane.ts';
import { events } from './parts/events.ts';
import { nodes } from './parts/nodes.ts';
import { pods } from './parts/pods.ts';
import { reachability } from './parts/reachability.ts';
import { scaling } from './parts/scaling.ts';
import { storage } from './parts/storage.ts';
import { tunnel } from './parts/tunnel.ts';
import { workloads } from './parts/workloads.ts';
import type { BatchReading } from './read-batch.ts';
import { clusterWide, type ReadName } from './reads.ts';
import { partNames, ranked, worst, type Finding, type Part, type PartName, type Status } from './status.ts';
import { parseVersion, type Version } from './versions.ts';

/** One look at a cluster, judged. */
export interface Health {
  readonly cluster: string;
  /** The one namespace that was looked at; undefined for all. */
  readonly namespace: string | undefined;
  readonly status: Status;
  readonly reason: string;
  /** Epoch ms of the end of the look. */
  readonly at: number;
  readonly parts: Readonly<Record<PartName, Part>>;
  /** The worst first. */
  readonly findings: readonly Finding[];
  /** Findings that are left out. */
  readonly more: number;
  /** An answer was longer than run command carries, so part of it was not seen. */
  readonly cut: boolean;
}

/** What a look is judged from. */
interface Seen extends BatchReading {
  readonly cluster: string;
  readonly namespace: string | undefined;
  readonly azure: AzureAnswer;
  /** Why reads that are in no answer were not made. */
  readonly denied: ReadonlyMap<ReadName, Answer>;
  readonly now: number;
}

const MOST_FINDINGS = 200;

/** Judges a look: each part, and the whole as bad as its worst part. */
export function assess(seen: Seen): Health {
  const { cluster, namespace, now } = seen;
  const parts = partsOf(seen);
  const all = ranked(partNames.flatMap((name) => parts[name].findings));
  const counted = partNames.filter(
    (name) => !(namespace !== undefined && clusterWide.has(name) && parts[name].status === 'not-allowed'),
  );
  const status = worst(counted.map((name) => parts[name].status));
  return {
    cluster,
    namespace,
    status,
    reason: reasonOf(status, all, parts),
    at: now,
    parts,
    findings: all.slice(0, MOST_FINDINGS),
    more: Math.max(0, all.length - MOST_FINDINGS),
    cut: [...seen.answers.values()].some((answer) => answer.kind === 'rows' && answer.cut),
  };
}

function partsOf(seen: Seen): Record<PartName, Part> {
  const { run, azure: azureAnswer, now } = seen;
  const answers: Answers = { now, get: (name) => seen.answers.get(name) ?? seen.denied.get(name) ?? nothing(seen) };
  const details = azureAnswer.kind === 'view' ? azureAnswer.details : undefined;
  const version = versionIn(answers.get('version')) ?? parseVersion(details?.version ?? '');
  const readSeconds =
    run.kind === 'ran' && run.runSeconds !== undefined
      ? run.runSeconds / Math.max(1, new Set(seen.answers.keys()).size)
      : undefined;
  return {
    reachability: reachability(run),
    azure: azure(azureAnswer),
    controlPlane: controlPlane(answers, { version, details, readSeconds }),
    tunnel: tunnel(answers, details),
    nodes: nodes(answers, version?.minor),
    workloads: workloads(answers),
    pods: pods(answers),
    storage: storage(answers, seen.namespace),
    scaling: scaling(answers),
    events: events(answers),
  };
}

/** A read without an answer, of a pod that did not run. */
const nothing = ({ run }: Seen): Answer =>
  run.kind === 'not-run'
    ? { kind: 'unknown', reason: 'The cluster was not reached.' }
    : { kind: 'not-allowed', reason: 'Policy does not allow this read.' };

/** `{"serverVersion": {"gitVersion": "v1.35.2"}}`. */
function versionIn(answer: Answer): Version | undefined {
  if (answer.kind !== 'text') return undefined;
  const { serverVersion } = (parsed(answer.text) ?? {}) as { serverVersion?: { gitVersion?: unknown } };
  const version = serverVersion?.gitVersion;
  return typeof version === 'string' ? parseVersion(version) : undefined;
}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function reasonOf(status: Status, findings: readonly Finding[], parts: Record<PartName, Part>): string {
  const [first, ...others] = findings;
  if (first) return others.length === 0 ? sentence(first) : `${sentence(first)}; in all ${summary(findings)}`;
  if (status === 'ok') return 'Everything that was looked at is well.';
  const names = partNames.filter((name) => parts[name].status === status);
  return `${status === 'not-allowed' ? 'Not allowed to look at' : 'Not known'}: ${names.join(', ')}.`;
}
