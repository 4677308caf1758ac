import type { AuditItem, EventQuery, Page } from '../audit/read/match.ts';
import type { Cluster } from '../config/config.ts';
import type { CommandRecord } from '../store/records.ts';
import { admitCaller } from './admit-caller.ts';
import { cancelBatch, cancelBlocked, cancelCommand } from './cancel-command.ts';
import type { GatewayContext, InForce } from './context.ts';
import { explainBatch, explainCommand, type ExplainedCommand } from './explain-command.ts';
import { judgeReads, recordDenials, type ReadVerdict } from './judge-reads.ts';
import { discoverResources } from './discover.ts';
import { listClusters, readCluster } from './list-clusters.ts';
import { readAuditEvents, readCheckpoints } from './read-audit.ts';
import { awaitResult, listOwnCommands, readResult, type CommandResult, type OwnCommandsQuery } from './read-results.ts';
import { admitToMetrics } from './read-metrics.ts';
import { awaitBatch, readBatch, type BatchResult } from './read-batch.ts';
import type { AuthenticatedRequest, RequestedBatch, RequestedCommand, Wait } from './request.ts';
import { SETTLE_AFTER_MS, settleUnknown } from './settle-unknown.ts';
import { listAccess, whoAmI } from './who-am-i.ts';
import { limitRate, runBatch, runCommand, type StartedCommand } from './run-command.ts';

/** All that a way in (HTTP, a timer, a job) can ask of the gateway. Each checks who asks, and is recorded. */
export interface Gateway {
  /** For other doors than these: who asks is not blocked. Gives what the request is decided by. */
  admitCaller(request: AuthenticatedRequest): Promise<InForce>;
  /** Counts one submission of the caller's. Throws Problem `rate-limited`. */
  limitRate(request: AuthenticatedRequest): Promise<void>;
  runCommand(request: AuthenticatedRequest, requested: RequestedCommand, signal?: AbortSignal): Promise<StartedCommand>;
  runBatch(request: AuthenticatedRequest, requested: RequestedBatch, signal?: AbortSignal): Promise<StartedCommand>;
  /** The steps' results; throws Problem when nothing was started. */
  awaitBatch(request: AuthenticatedRequest, started: StartedCommand, wait: Wait): Promise<BatchResult>;
  explainBatch(request: AuthenticatedRequest, requested: RequestedBatch): Promise<readonly ExplainedCommand[]>;
  readBatch(request: AuthenticatedRequest, id: string, wait: Wait): Promise<BatchResult>;
  cancelCommand(request: AuthenticatedRequest, id: string): Promise<CommandResult>;
  cancelBatch(request: AuthenticatedRequest, id: string): Promise<BatchResult>;
  /** For a timer: cancels what blocked callers have not ended. */
  cancelBlocked(): Promise<void>;
  /** For a timer: settles unknown commands by what their pods tell. */
  settleUnknown(): Promise<void>;
  /** For a timer: reads the custom resources of clusters that say so, once a day. */
  discoverResources(): Promise<void>;
  /** Which of some reads a caller may run; runs none. */
  judgeReads(request: AuthenticatedRequest, commands: readonly RequestedCommand[]): Promise<readonly ReadVerdict[]>;
  /** One line in the trail for all of what judgeReads denied. */
  recordDenials(asked: readonly string[], verdicts: readonly ReadVerdict[]): Promise<void>;
  awaitResult(request: AuthenticatedRequest, started: StartedCommand, wait: Wait): Promise<CommandResult>;
  explainCommand(request: AuthenticatedRequest, requested: RequestedCommand): Promise<ExplainedCommand>;
  readResult(request: AuthenticatedRequest, id: string, wait: Wait): Promise<CommandResult>;
  listOwnCommands(
    request: AuthenticatedRequest,
    query: OwnCommandsQuery,
  ): Promise<{ readonly items: readonly CommandRecord[]; readonly next?: string | undefined }>;
  /** Throws Problem `policy-denied` where the caller may not read the metrics. */
  admitToMetrics(request: AuthenticatedRequest): Promise<void>;
  listClusters(request: AuthenticatedRequest): Promise<readonly Cluster[]>;
  readCluster(request: AuthenticatedRequest, cluster: string): ReturnType<typeof readCluster>;
  whoAmI(request: AuthenticatedRequest): ReturnType<typeof whoAmI>;
  listAccess(request: AuthenticatedRequest, cluster: string): ReturnType<typeof listAccess>;
  readAuditEvents(request: AuthenticatedRequest, query: EventQuery, asked: string): Promise<Page<AuditItem>>;
  readCheckpoints(request: AuthenticatedRequest, query: Pick<EventQuery, 'limit' | 'cursor'>): Promise<Page<unknown>>;
}

/** Binds the gateway's functions to what they work with. */
export const createGateway = (context: GatewayContext, settleAfterMs = SETTLE_AFTER_MS): Gateway => ({
  admitCaller: (request) => admitCaller(context, request),
  limitRate: (request) => limitRate(context, request, 1),
  runCommand: (request, requested, signal) => runCommand(context, request, requested, signal),
  runBatch: (request, requested, signal) => runBatch(context, request, requested, signal),
  awaitBatch: (request, started, wait) => awaitBatch(context, request, started, wait),
  explainBatch: (request, requested) => explainBatch(context, request, requested),
  readBatch: (request, id, wait) => readBatch(context, request, id, wait),
  cancelCommand: (request, id) => cancelCommand(context, request, id),
  cancelBatch: (request, id) => cancelBatch(context, request, id),
  cancelBlocked: () => cancelBlocked(context),
  settleUnknown: () => settleUnknown(context, settleAfterMs),
  discoverResources: () => discoverResources(context),
  readCluster: (request, name) => readCluster(context, request, name),
  awaitResult: (request, started, wait) => awaitResult(context, request, started, wait),
  explainCommand: (request, requested) => explainCommand(context, request, requested),
  readResult: (request, id, wait) => readResult(context, request, id, wait),
  listOwnCommands: (request, query) => listOwnCommands(context, request, query),
  judgeReads: (request, commands) => judgeReads(context, request, commands),
  recordDenials: (asked, verdicts) => recordDenials(context, asked, verdicts),
  admitToMetrics: (request) => admitToMetrics(context, request),
  listClusters: (request) => listClusters(context, request),
  whoAmI: (request) => whoAmI(context, request),
  listAccess: (request, cluster) => listAccess(context, request, cluster),
  readAuditEvents: (request, query, asked) => readAuditEvents(context, request, query, asked),
  readCheckpoints: (request, query) => readCheckpoints(context, request, query),
});
