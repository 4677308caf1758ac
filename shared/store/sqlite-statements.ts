import type { DatabaseSync, StatementSync } from 'node:sqlite';

import { number } from './sqlite-rows.ts';

/** Raised with every change of the schema; a file of another version is refused, never guessed at. */
const SCHEMA_VERSION = 3;

const SCHEMA = `
  CREATE TABLE records (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, owner TEXT NOT NULL, cluster TEXT NOT NULL, status TEXT NOT NULL,
    finished INTEGER NOT NULL, submitted_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,
    has_output INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX records_by_owner ON records (owner, submitted_at DESC, id DESC);
  CREATE INDEX unfinished_by_age ON records (submitted_at) WHERE finished = 0;
  CREATE INDEX outputs_by_end ON records (ended_at) WHERE has_output = 1 AND finished = 1;
  CREATE INDEX records_by_end ON records (ended_at) WHERE finished = 1;
  CREATE TABLE outputs (id TEXT PRIMARY KEY, stdout BLOB NOT NULL, stderr BLOB NOT NULL) STRICT;
  CREATE TABLE key_claims (
    scope TEXT PRIMARY KEY, body TEXT NOT NULL, command_id TEXT NOT NULL, expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX key_claims_by_expiry ON key_claims (expires_at);
  CREATE TABLE notes (name TEXT PRIMARY KEY, version INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
  CREATE TABLE deliveries (id TEXT PRIMARY KEY, version INTEGER NOT NULL, due INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE INDEX deliveries_by_due ON deliveries (due);
  CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL) STRICT;
`;

export function prepareSchema(database: DatabaseSync): void {
  const found = number(database.prepare('PRAGMA user_version').get(), 'user_version');
  if (found === SCHEMA_VERSION) return;
  if (found !== 0) throw new Error(`the file has schema ${found}, this gateway needs ${SCHEMA_VERSION}`);
  database.exec(`${SCHEMA}; PRAGMA user_version = ${SCHEMA_VERSION}`);
}

export type Statements = ReturnType<typeof prepare>;

export function prepare(database: DatabaseSync) {
  const statement = (text: string): StatementSync => database.prepare(text);
  return {
    insert: statement(`INSERT INTO records (id, version, owner, cluster, status, finished, submitted_at, ended_at, body)
      VALUES (:id, :version, :owner, :cluster, :status, :finished, :submittedAt, :endedAt, :body)`),
    get: statement('SELECT body FROM records WHERE id = :id'),
    replace: statement(`UPDATE records SET version = :version, owner = :owner, cluster = :cluster, status = :status,
      finished = :finished, submitted_at = :submittedAt, ended_at = :endedAt, body = :body
      WHERE id = :id AND version = :old`),
    // Most changes are in no column that is indexed. An UPDATE that names one writes its index again, changed or not, as EXPLAIN shows.
    replaceUnindexed: statement(`UPDATE records SET version = :version, status = :status, body = :body
      WHERE id = :id AND version = :old AND owner = :owner AND cluster = :cluster AND finished = :finished
      AND submitted_at = :submittedAt AND ended_at = :endedAt`),
    list: statement(`SELECT body FROM records WHERE owner = :owner AND (submitted_at, id) < (:submittedAt, :id)
      AND (:cluster IS NULL OR cluster = :cluster) AND (:status IS NULL OR status = :status)
      ORDER BY submitted_at DESC, id DESC LIMIT :limit`),
    unfinished: statement('SELECT id, body FROM records WHERE finished = 0 ORDER BY submitted_at LIMIT :limit'),
    unknown: statement(`SELECT id, body FROM records WHERE finished = 1 AND ended_at > :since AND status = 'unknown'
      ORDER BY ended_at LIMIT :limit`),
    inFlight: statement(`SELECT owner, cluster, count(*) AS n FROM records
      WHERE finished = 0 AND status IN ('submitting', 'running') AND coalesce(json_extract(body, '$.batch.step'), 0) = 0
      GROUP BY owner, cluster`),
    markOutput: statement('UPDATE records SET has_output = 1 WHERE id = :id'),
    putOutput: statement(`INSERT INTO outputs (id, stdout, stderr) VALUES (:id, :stdout, :stderr)
      ON CONFLICT (id) DO UPDATE SET stdout = :stdout, stderr = :stderr`),
    getOutput: statement('SELECT stdout, stderr FROM outputs WHERE id = :id'),
    purgeable: statement(
      `SELECT id, body FROM records WHERE has_output = 1 AND finished = 1 AND ended_at < :before LIMIT :limit`,
    ),
    expired: statement('SELECT id FROM records WHERE finished = 1 AND ended_at < :before LIMIT :limit'),
    dropRecord: statement('DELETE FROM records WHERE id = :id'),
    forgetOutput: statement('UPDATE records SET has_output = 0 WHERE id = :id'),
    dropOutput: statement('DELETE FROM outputs WHERE id = :id'),
    markPurged: statement('UPDATE records SET has_output = 0, version = :version, body = :body WHERE id = :id'),
    dropKeys: statement('DELETE FROM key_claims WHERE expires_at <= :now'),
    checkpoint: statement('PRAGMA wal_checkpoint(TRUNCATE)'),
    claim: statement(`INSERT INTO key_claims (scope, body, command_id, expires_at)
      VALUES (:scope, :body, :commandId, :expiresAt)
      ON CONFLICT (scope) DO UPDATE SET body = :body, command_id = :commandId, expires_at = :expiresAt
      WHERE expires_at <= :now OR command_id = :commandId`),
    claimed: statement('SELECT scope, body, command_id, expires_at FROM key_claims WHERE scope = :scope'),
    unclaim: statement('DELETE FROM key_claims WHERE scope = :scope AND command_id = :commandId'),
    lease: statement(`INSERT INTO leases (name, holder, until) VALUES (:name, :holder, :until)
      ON CONFLICT (name) DO UPDATE SET holder = :holder, until = :until WHERE holder = :holder OR leases.until <= :now`),
    unlease: statement('DELETE FROM leases WHERE name = :name AND holder = :holder'),
    pinged: statement('SELECT until FROM leases WHERE name = :name'),
    addDelivery: statement(`INSERT INTO deliveries (id, version, due, body) VALUES (:id, :version, :due, :body)
      ON CONFLICT (id) DO NOTHING`),
    dueDeliveries: statement(`SELECT body FROM deliveries WHERE due <= :now
      AND body ->> '$.webhook' NOT IN (SELECT value FROM json_each(:except)) ORDER BY due LIMIT :limit`),
    replaceDelivery: statement(`UPDATE deliveries SET version = :version, due = :due, body = :body
      WHERE id = :id AND version = :old`),
    dropDelivery: statement('DELETE FROM deliveries WHERE id = :id AND version = :version'),
    getNote: statement('SELECT version, text FROM notes WHERE name = :name'),
    putNote: statement(`INSERT INTO notes (name, version, text) SELECT :name, 1, :text
      WHERE :old = 0 OR EXISTS (SELECT 1 FROM notes WHERE name = :name)
      ON CONFLICT (name) DO UPDATE SET version = version + 1, text = :text WHERE version = :old`),
  };
}
