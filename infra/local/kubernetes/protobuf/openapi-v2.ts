import type { Kind } from '../kinds.ts';

/**
 * The protobuf form of /openapi/v2, which is all that kubectl 1.27 and 1.28 ask for before `apply`: of each kind its PATCH, with the
 * query parameters that say "dry run and field validation are supported here". Field numbers from gnostic's OpenAPIv2.proto.
 */
export const OPEN_API_V2_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

export function openApiV2(kinds: readonly Kind[]): Buffer {
  const paths = kinds.map((kind) => {
    const parameters = ['dryRun', 'fieldManager', 'fieldValidation'].map((name) =>
      // Operation.parameters → ParametersItem → Parameter → NonBodyParameter → QueryParameterSubSchema: in, name.
      nested([8, 1, 2, 3], field(2, 'query'), field(4, name)),
    );
    const identity = JSON.stringify({ group: kind.group, version: kind.version, kind: kind.kind });
    // Operation.vendor_extension → NamedAny: name, value → Any: yaml.
    const extension = nested([13], field(1, 'x-kubernetes-group-version-kind'), nested([2], field(2, identity)));
    // Paths.path → NamedPathItem: name, value → PathItem: patch.
    return nested(
      [2],
      field(1, `/${kind.group}/${kind.version}/${kind.resource}/{name}`),
      nested([2, 8], ...parameters, extension),
    );
  });
  // Document: swagger, info → Info: title, version; paths.
  return Buffer.concat([
    field(1, '2.0'),
    nested([2], field(1, 'Kubernetes'), field(2, 'emulated')),
    nested([8], ...paths),
  ]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}

function field(number: number, content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

/** Messages within messages, the outermost number first. */
const nested = (numbers: readonly number[], ...contents: readonly Buffer[]): Buffer =>
  numbers.toReversed().reduce<Buffer>((inner, number) => field(number, inner), Buffer.concat(contents));
