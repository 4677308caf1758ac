import type { FastifyInstance } from 'fastify';
import * as Type from 'typebox';
import type { Static } from 'typebox';
import { parseIdempotencyKey } from '../../admission/idempotency.ts';
import { shownWords } from '../../command/redact-words.ts';
import { placeOf } from '../../config/jobs.ts';
import type { JobView } from '../../jobs/jobs.ts';
import type { PastRun } from '../../jobs/past-runs.ts';
import { aboutACommand, aboutARun, jsonOrMessage, problemsOf, recordOrBatchOr } from '../answers.ts';
import { disconnectSignal } from '../disconnect.ts';
import { jobsMessage } from '../../chat/messages.ts';
import { authenticated } from '../identify.ts';
import { profileOf, sendMessage } from '../markdown.ts';
import type { AppOptions } from '../options.ts';
import { readPrefer } from '../prefer.ts';
import { JobBody, JobWithRunsBody, ListBody, RunJobBody, type JobOutput, type RunJobInput } from '../schemas.ts';
import { answerStartedBatch } from './answer-batch.ts';
import { answerStarted } from './answer-record.ts';
import { RequesterHeaders, SendingHeaders, withRequester } from './running.ts';

const JobParams = Type.Object({ name: Type.String({ minLength: 1, maxLength: 63 }) });

export async function jobRoutes(app: FastifyInstance, options: AppOptions): Promise<void> {
  const { jobs, clock } = options;
  app.get(
    '/v1/jobs',
    {
      ...withRequester,
      schema: {
        operationId: 'listJobs',
        tags: ['jobs'],
        summary: 'The scheduled jobs that the caller may see or run',
        headers: RequesterHeaders,
        response: { ...problemsOf(), 200: jsonOrMessage('All of them.', ListBody(JobBody)) },
      },
    },
    async (request, reply) => {
      const items = (await jobs.list(authenticated(request))).map(jobBody);
      const profile = profileOf(request);
      return profile ? sendMessage(reply, jobsMessage(items), profile) : { items, next: null };
    },
  );

  app.get<{ Params: Static<typeof JobParams> }>(
    '/v1/jobs/:name',
    {
      ...withRequester,
      schema: {
        operationId: 'getJob',
        tags: ['jobs'],
        summary: 'A job with its last runs',
        params: JobParams,
        headers: RequesterHeaders,
        response: { ...problemsOf('job-not-found'), 200: jsonOrMessage('The job.', JobWithRunsBody) },
      },
    },
    async (request, reply) => {
      const view = await jobs.get(authenticated(request), request.params.name);
      const profile = profileOf(request);
      if (profile) return sendMessage(reply, jobsMessage([jobBody(view)]), profile);
      return { ...jobBody(view), runs: view.runs.map(runBody) };
    },
  );

  app.post<{ Params: Static<typeof JobParams>; Body: RunJobInput }>(
    '/v1/jobs/:name/run',
    {
      ...withRequester,
      preValidation: async (request) => {
        request.body ??= {}; // all defaults
      },
      schema: {
        operationId: 'runJob',
        tags: ['jobs'],
        summary: 'Run a job now',
        description:
          'The command, or each step, is judged as the job; the caller needs the verb run on it, and is recorded as its requester.',
        params: JobParams,
        body: RunJobBody,
        headers: SendingHeaders,
        response: recordOrBatchOr(problemsOf('job-not-found', ...aboutACommand, ...aboutARun)),
      },
    },
    async (request, reply) => {
      const prefer = readPrefer(request.headers.prefer);
      const idempotencyKey = parseIdempotencyKey(request.headers['idempotency-key']?.toString());
      const { options: values = {}, reason, notify } = request.body;
      const caller = authenticated(request);
      request.handedOver = true;
      const began = clock.monotonic();
      const signal = disconnectSignal(reply);
      const by = { options: new Map(Object.entries(values)), reason, idempotencyKey, notify };
      const started = await jobs.run(caller, request.params.name, by, signal);
      const answer = started.record.batch ? answerStartedBatch : answerStarted;
      return answer({ ...options, request, reply, caller, started, prefer, signal, began });
    },
  );
}

function jobBody({ job, next, suspended, runs }: JobView): JobOutput {
  const { name, cluster, steps, batch, health, options, schedule, onMissed, onOverlap, onError, enabled } = job;
  const [last] = runs;
  const commands = steps.map(({ argv }) => ({ argv: shownTemplate(argv) }));
  return {
    name,
    cluster,
    health,
    ...(batch
      ? { argv: null, steps: commands, onError }
      : { argv: commands[0]?.argv ?? null, steps: null, onError: null }),
    options: Object.fromEntries(
      [...options].map(([option, form]) => [
        option,
        {
          kind: form.kind,
          ...(form.kind === 'enum' && { values: [...form.values] }),
          ...(form.kind === 'integer' && { min: form.min, max: form.max }),
          default: form.default ?? null,
        },
      ]),
    ),
    schedule: schedule?.cron ?? null,
    timeZone: schedule?.timeZone ?? null,
    onMissed,
    onOverlap,
    enabled,
    next: next.map(time),
    lastRun: last ? runBody(last) : null,
    suspended: suspended ? { since: time(suspended.since), why: suspended.why } : null,
  };
}

/** Without secrets; a place says which option goes there, and holds no value. */
function shownTemplate(argv: readonly string[]): string[] {
  const shown = shownWords(argv);
  return argv.map((word, index) => (placeOf(word) === undefined ? (shown[index] ?? '') : word));
}

const runBody = ({ slot, at, by, commandId, batchId, outcome, exitCode, missed, why }: PastRun) => ({
  slot: slot === undefined ? null : time(slot),
  at: time(at),
  ...(by && { by }),
  commandId: commandId ?? null,
  ...(batchId !== undefined && { batchId }),
  outcome,
  exitCode: exitCode ?? null,
  ...(missed !== undefined && { missed }),
  ...(why !== undefined && { why }),
});

const time = (ms: number): string => new Date(ms).toISOString();
