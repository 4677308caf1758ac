import { type AppendLog, type LogLine, type Position, StorageUnavailable } from '../store/append-log.ts';
import { type SegmentReader, readLines, readTail } from '../store/append-log-lines.ts';

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
  const start: Position = { segment: 0, offset: 0 };
  const reader: SegmentReader = {
    list: async (stream) => (bytes.has(stream) ? [0] : []),
    open: async (stream) => {
      const own = bytes.get(stream) ?? Buffer.alloc(0);
      return {
        size: async () => own.length,
        read: async (offset, length) => own.subarray(offset, offset + length),
        close: async () => undefined,
      };
    },
  };
  return {
    open: () => Promise.reject(new StorageUnavailable('An export is to be read only')),
    streams: async () => [...bytes.keys()].sort(),
    read: (stream, from = start): AsyncIterable<LogLine> => readLines(reader, stream, from, 256 * 1024),
    tail: (stream) => readTail(reader, stream),
    segments: async () => [start],
  };
}
