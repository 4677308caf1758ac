import type { ContainerClient } from '@azure/storage-blob';

import { StorageUnavailable } from './append-log.ts';
import type { CommandOutput } from './records.ts';
import { codeOf, describeError, hintOn, safeKey } from './table-rows.ts';

/** Of all 404s the one that says that this blob is not there (learn.microsoft.com/rest/api/storageservices/blob-service-error-codes). */
const ABSENT = 'BlobNotFound';

/** Outputs, one blob each: stdout, then stderr, and the length of stdout beside them. */
export interface OutputBlobs {
  put(id: string, output: CommandOutput): Promise<void>;
  get(id: string): Promise<CommandOutput | undefined>;
  has(id: string): Promise<boolean>;
  delete(id: string): Promise<void>;
}

/** Always blobs, never rows: a row holds 64 KiB a property, and two ways of keeping one thing are one too many. */
export function createOutputBlobs(container: ContainerClient): OutputBlobs {
  const blobOf = (id: string) => container.getBlockBlobClient(safeKey(id));

  return {
    put: (id, { stdout, stderr }) =>
      available(async () => {
        await blobOf(id).uploadData(Buffer.concat([stdout, stderr]), {
          metadata: { stdout: String(stdout.byteLength) },
          blobHTTPHeaders: { blobContentType: 'application/octet-stream' },
        });
      }),
    get: (id) =>
      available(async () => {
        try {
          const { metadata, readableStreamBody } = await blobOf(id).download();
          const parts: Uint8Array[] = [];
          for await (const part of readableStreamBody ?? []) parts.push(Buffer.from(part));
          const both = new Uint8Array(Buffer.concat(parts));
          const split = Number(metadata?.['stdout']);
          if (!Number.isInteger(split) || split < 0 || split > both.length)
            throw new Error(`output ${id} has no length of stdout`);
          return { stdout: both.subarray(0, split), stderr: both.subarray(split) };
        } catch (error) {
          if (codeOf(error) === ABSENT) return undefined;
          throw error;
        }
      }),
    // Not exists() of the SDK, to which a container that is gone is a blob that is not there.
    has: (id) =>
      available(async () => {
        try {
          await blobOf(id).getProperties();
          return true;
        } catch (error) {
          if (codeOf(error) === ABSENT) return false;
          throw error;
        }
      }),
    delete: (id) =>
      available(async () => {
        await blobOf(id).deleteIfExists();
      }),
  };
}

async function available<Result>(request: () => Promise<Result>): Promise<Result> {
  try {
    return await request();
  } catch (error) {
    throw new StorageUnavailable(`Azure Blobs did not do it: ${describeError(error)}${hintOn(codeOf(error))}`);
  }
}
