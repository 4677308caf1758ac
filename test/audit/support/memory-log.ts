import { type AppendLog, StorageUnavailable } from '../../../shared/store/append-log.ts';
import { type SegmentReader, readLines, readTail } from '../../../shared/store/append-log-lines.ts';

/** Streams that are in memory, to be read. */
export function memoryLog(streams: ReadonlyMap<string, Buffer>): AppendLog {
  const readOnly = () => Promise.reject(new StorageUnavailable('What is in memory is to be read only'));
  const reader: SegmentReader = {
    list: async (stream) => {
      const bytes = streams.get(stream)?.length;
      return bytes === undefined ? [] : [{ segment: 0, bytes }];
    },
    open: async (stream) => {
      const own = streams.get(stream) ?? Buffer.alloc(0);
      return {
        size: async () => own.length,
        read: async (offset, length) => own.subarray(offset, offset + length),
        close: async () => undefined,
      };
    },
  };
  return {
    open: readOnly,
    keepOnce: readOnly,
    streams: async () => [...streams.keys()].sort(),
    strangers: async () => [],
    read: (stream, from = { segment: 0, offset: 0 }) => readLines(reader, stream, from, 256 * 1024),
    tail: (stream) => readTail(reader, stream),
    segments: reader.list,
  };
}
