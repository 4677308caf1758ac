import type { Clock } from '../../clock.ts';
import type { JsonObject } from '../../lib/canonical-json.ts';

/** A second, best-effort way out for events: never waited for, never in the way. */
export interface SiemSink {
  /** Takes the event, or drops it when its queue is full. */
  offer(event: JsonObject): void;
  /** What became of what was offered, since the start. */
  counts(): SiemCounts;
  /** Sends what is queued, in bounded time. */
  close(): Promise<void>;
}

interface SiemCounts {
  readonly sent: number;
  readonly dropped: number;
  readonly queued: number;
}

interface SiemOptions {
  readonly clock: Clock;
  /** Sends rows; may reject. createLogsUpload gives the one for Azure Monitor. */
  readonly upload: (rows: readonly JsonObject[], signal: AbortSignal) => Promise<void>;
  readonly maxQueued?: number;
  /** Hears when events were dropped: of the first at once, of more at most once a minute, and at the close. Must not throw. */
  readonly onDropped?: ((counts: SiemCounts) => void) | undefined;
}

const BATCH_ROWS = 500;
const LINGER_MS = 2_000;
const retryMs = [1_000, 5_000, 30_000];
const CLOSE_MS = 5_000;
const TELL_MS = 60_000;

/** A queue of bounded size before an upload. What the upload refuses four times is dropped and counted. */
export function createSiemSink({ clock, upload, maxQueued = 10_000, onDropped }: SiemOptions): SiemSink {
  const stop = new AbortController();
  /** Ends the waits, not the uploads. */
  const hurry = new AbortController();
  let queue: JsonObject[] = [];
  let inFlight = 0;
  let sent = 0;
  let dropped = 0;
  let closing = false;
  let running: Promise<void> | undefined;

  const counts = (): SiemCounts => ({ sent, dropped, queued: queue.length + inFlight });

  let told = 0;
  let tellAgainAt = Number.NEGATIVE_INFINITY;
  const drop = (count: number): void => {
    dropped += count;
    if (closing || clock.monotonic() >= tellAgainAt) tell();
  };
  const tell = (): void => {
    if (dropped === told) return;
    told = dropped;
    tellAgainAt = clock.monotonic() + TELL_MS;
    onDropped?.(counts());
  };

  const sendOne = async (rows: readonly JsonObject[]): Promise<void> => {
    for (const wait of [...retryMs, undefined]) {
      try {
        await upload(rows, stop.signal);
        sent += rows.length;
        return;
      } catch {
        // What went wrong shows in the count of what was dropped: the enforced stream is elsewhere.
        if (wait === undefined || closing || stop.signal.aborted) break;
        await clock.sleep(wait, { signal: hurry.signal, unref: true }).catch(() => undefined);
      }
    }
    drop(rows.length);
  };

  const run = async (): Promise<void> => {
    if (!closing) await clock.sleep(LINGER_MS, { signal: hurry.signal, unref: true }).catch(() => undefined);
    while (queue.length > 0 && !stop.signal.aborted) {
      const rows = queue.slice(0, BATCH_ROWS);
      queue = queue.slice(BATCH_ROWS);
      inFlight = rows.length;
      await sendOne(rows);
      inFlight = 0;
    }
    running = undefined;
  };

  return {
    offer: (event) => {
      if (closing || queue.length + inFlight >= maxQueued) drop(1);
      else {
        queue.push(event);
        running ??= run();
      }
    },
    counts,
    close: async () => {
      closing = true;
      hurry.abort(new Error('The SIEM sink is closing'));
      const last = running ?? run();
      const timer = new AbortController();
      await Promise.race([last, clock.sleep(CLOSE_MS, { signal: timer.signal, unref: true }).catch(() => undefined)]);
      timer.abort();
      stop.abort(new Error('The SIEM sink is closed'));
      dropped += queue.length;
      queue = [];
      tell();
    },
  };
}

interface Subject {
  readonly principal?: JsonObject;
  readonly cluster?: JsonObject;
}

/** A row of the custom table: the columns that questions are asked by, and the whole event. */
export const siemRow = (event: JsonObject): JsonObject => {
  const { whose, outcome, ...own } = event as Subject & { readonly whose?: Subject; readonly outcome?: JsonObject };
  const principal = own.principal ?? whose?.principal;
  const cluster = own.cluster ?? whose?.cluster;
  return {
    TimeGenerated: event['time'],
    Code: event['code'],
    Stream: event['stream'],
    Seq: event['seq'],
    Hash: event['hash'],
    RequestId: event['requestId'],
    CommandId: event['commandId'],
    TenantId_: principal?.['tid'],
    PrincipalId: principal?.['oid'],
    PrincipalType: principal?.['idtyp'],
    Cluster: cluster?.['name'],
    Decision: event['decision'],
    Rule: event['rule'],
    ExitCode: outcome?.['exitCode'],
    Event: event,
  };
};

/**
 * Uploads to Azure Monitor Logs through a data collection rule (learn.microsoft.com/azure/azure-monitor/logs/logs-ingestion-api-overview).
 * The SDK is loaded with the first row.
 */
export function createLogsUpload(options: {
  readonly endpoint: string;
  readonly ruleId: string;
  /** `Custom-AksGatewayAudit_CL`. */
  readonly streamName: string;
  readonly credential: ConstructorParameters<typeof import('@azure/monitor-ingestion').LogsIngestionClient>[1];
}): SiemOptions['upload'] {
  let client: Promise<import('@azure/monitor-ingestion').LogsIngestionClient> | undefined;
  return async (rows, signal) => {
    client ??= import('@azure/monitor-ingestion').then(
      ({ LogsIngestionClient }) => new LogsIngestionClient(options.endpoint, options.credential),
    );
    await (
      await client
    ).upload(
      options.ruleId,
      options.streamName,
      rows.map((row) => ({ ...siemRow(row) })),
      {
        abortSignal: signal,
      },
    );
  };
}
