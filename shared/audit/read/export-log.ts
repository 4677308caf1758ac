import { type AppendLog, StorageUnavailable } from '../../store/append-log.ts';
import { type SegmentReader, readLines, readTail } from '../../store/append-log-lines.ts';

/** An export read into memory as a log, to be verified with `partial`: JSON Lines of one or more streams. */
export function createExportLog(text: string): AppendLog {
  const streams = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, stream = ''] = /^.*"stream":"([a-z0-9-]{1,100})","(?:text|time|v)/.exec(line.slice(-400)) ?? [];
    const lines = streams.get(stream) ?? [];
    streams.set(stream, lines);
    lines.push(line);
  }
  const bytes = new Map([...streams].map(([stream, lines]) => [stream, Buffer.from(`${lines.join('\n')}\n`)]));
  return memoryLog(bytes);
}

/** Streams that are in memory, to be read. */
export function memoryLog(streams: ReadonlyMap<string, Buffer>): AppendLog {
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
    open: () => Promise.reject(new StorageUnavailable('What is in memory is to be read only')),
    streams: async () => [...streams.keys()].sort(),
    read: (stream, from = { segment: 0, offset: 0 }) => readLines(reader, stream, from, 256 * 1024),
    tail: (stream) => readTail(reader, stream),
    segments: reader.list,
  };
}
