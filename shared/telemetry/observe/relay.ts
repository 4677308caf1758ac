import type { Clock } from '../../clock.ts';
import type { Cluster } from '../../config/config.ts';
import type { Ended, Relay } from '../../relay/relay.ts';
import type { Telemetry } from '../telemetry.ts';

/** The relay, with a span for each of its steps, and how late it saw a command's end. */
export function observedRelay<R extends Relay>(relay: R, telemetry: Telemetry, clock: Clock): R {
  const { span } = telemetry;
  const of = (cluster: Cluster) => ({ 'aksgw.cluster': cluster.name });
  const seen = (cluster: Cluster, ended: Ended): Ended => {
    if (ended.kind === 'completed' && ended.finishedAt !== undefined)
      telemetry.time('aksgw.relay.lag', { cluster: cluster.name }, clock.now() - ended.finishedAt);
    return ended;
  };
  return {
    ...relay,
    preflight: (cluster, signal) => span('preflight', of(cluster), () => relay.preflight(cluster, signal)),
    authorise: (cluster, caller, signal) =>
      span('preflight', of(cluster), () => relay.authorise(cluster, caller, signal)),
    submit: (submission, signal) => span('relay', of(submission.cluster), () => relay.submit(submission, signal)),
    submitSteps: (submission, signal) =>
      span('relay', of(submission.cluster), () => relay.submitSteps(submission, signal)),
    follow: async (run, signal, told) =>
      seen(run.cluster, await span('follow', of(run.cluster), () => relay.follow(run, signal, told))),
    followSteps: async (run, signal, told) => {
      const ends = await span('follow', of(run.cluster), () => relay.followSteps(run, signal, told));
      ends.slice(-1).forEach((end) => seen(run.cluster, end)); // one pod, one end
      return ends;
    },
  };
}
