import { readFileSync } from 'node:fs';
import { isObject, text, type Json, type JsonObject } from '../json.ts';
import { badRequest } from '../status.ts';

/**
 * Kubernetes' protobuf bodies as JSON: from 1.32 on kubectl's typed clients send nothing else (`create`, `auth`, `token`). The
 * envelope is runtime.Unknown behind four magic bytes (kubernetes.io/docs/reference/using-api/api-concepts, "Protobuf encoding");
 * schema.json holds field numbers, names and types of what kubectl sends, written by schema.go.
 */
export const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';

type Message = Readonly<Record<string, readonly [name: string, type: string]>>;

let loaded: Readonly<Record<string, Message>> | undefined;
const schema = (): Readonly<Record<string, Message>> =>
  (loaded ??= JSON.parse(readFileSync(new URL('schema.json', import.meta.url), 'utf8')) as Readonly<
    Record<string, Message>
  >);

/** Throws StatusError 400 for bytes that are not such a message, and for kinds that the schema does not have. */
export function decodeProtobuf(body: Buffer): JsonObject {
  if (body.subarray(0, 4).toString('latin1') !== 'k8s\0') throw badRequest('the body is no Kubernetes protobuf');
  const [typeMeta, raw] = [1, 2].map(
    (wanted) => fields(body.subarray(4)).find(({ number }) => number === wanted)?.bytes,
  );
  const [apiVersion = '', kind = ''] = [1, 2].map((wanted) =>
    fields(typeMeta ?? Buffer.alloc(0))
      .find(({ number }) => number === wanted)
      ?.bytes?.toString('utf8'),
  );
  const names = Object.keys(schema());
  const version = apiVersion.split('/').at(-1) ?? '';
  // DeleteOptions come under the version of the group they are sent to.
  const name =
    names.find((name) => name.endsWith(`/${version}.${kind}`)) ?? names.find((name) => name.endsWith(`.${kind}`));
  if (name === undefined) throw badRequest(`the emulated cluster cannot read ${kind} of ${apiVersion} as protobuf`);
  return { apiVersion, kind, ...message(name, raw ?? Buffer.alloc(0)) };
}

interface Field {
  readonly number: number;
  readonly value: bigint;
  readonly bytes: Buffer | undefined;
}

/** The fields of one message in their order (protobuf.dev/programming-guides/encoding). */
function fields(bytes: Buffer): Field[] {
  const found: Field[] = [];
  let offset = 0;
  const varint = (): bigint => {
    let result = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[offset];
      if (byte === undefined) break;
      offset += 1;
      result |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, result);
    }
    throw badRequest('the protobuf body is cut off');
  };
  while (offset < bytes.length) {
    const tag = Number(varint());
    const number = tag >>> 3;
    switch (tag & 7) {
      case 0:
        found.push({ number, value: varint(), bytes: undefined });
        break;
      case 2: {
        const length = Number(varint());
        if (length < 0 || offset + length > bytes.length) throw badRequest('the protobuf body is cut off');
        found.push({ number, value: 0n, bytes: bytes.subarray(offset, offset + length) });
        offset += length;
        break;
      }
      default:
        throw badRequest('the protobuf body has a field of an unknown form');
    }
  }
  return found;
}

function message(name: string, bytes: Buffer): JsonObject {
  const known = schema()[name] ?? {};
  let result: JsonObject = {};
  for (const field of fields(bytes)) {
    const [key, type] = known[field.number] ?? [];
    if (key === undefined || type === undefined) continue;
    if (type.startsWith('[]'))
      result[key] = [...((result[key] as Json[] | undefined) ?? []), one(type.slice(2), field)];
    else if (type.startsWith('{}')) {
      const [entryKey, entryValue] = [1, 2].map((wanted) =>
        fields(field.bytes ?? Buffer.alloc(0)).find(({ number }) => number === wanted),
      );
      const value = one(type.slice(2), entryValue ?? { number: 2, value: 0n, bytes: Buffer.alloc(0) });
      result[key] = { ...(result[key] as JsonObject | undefined), [entryKey?.bytes?.toString('utf8') ?? '']: value };
    } else {
      const pointer = type.endsWith('?');
      const value = one(pointer ? type.slice(0, -1) : type, field);
      // A field that is not a pointer in Go is always written, empty or not; `omitempty` leaves empty ones out of JSON.
      if (!pointer && isEmpty(value)) continue;
      // Embedded structs have no name of their own.
      if (key === '') result = { ...result, ...(value as JsonObject) };
      else result[key] = value;
    }
  }
  return result;
}

const isEmpty = (value: Json): boolean =>
  value === null ||
  value === '' ||
  value === 0 ||
  value === false ||
  (isObject(value) && Object.keys(value).length === 0);

function one(type: string, { value, bytes = Buffer.alloc(0) }: Field): Json {
  switch (type) {
    case 'string':
      return bytes.toString('utf8');
    case 'bytes':
      return bytes.toString('base64');
    case 'int':
      return Number(value);
    case 'bool':
      return value !== 0n;
    case 'quantity':
      return fields(bytes)[0]?.bytes?.toString('utf8') ?? '0';
    case 'intOrString': {
      const inner = fields(bytes);
      const isString = inner.find(({ number }) => number === 1)?.value === 1n;
      const found = inner.find(({ number }) => number === (isString ? 3 : 2));
      return isString ? text(found?.bytes?.toString('utf8')) : Number(found?.value ?? 0n);
    }
    case 'time': {
      const seconds = fields(bytes).find(({ number }) => number === 1)?.value;
      return seconds === undefined ? null : `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}Z`;
    }
    case 'raw':
      return JSON.parse(fields(bytes)[0]?.bytes?.toString('utf8') ?? '{}') as Json;
    default:
      return message(type, bytes);
  }
}
