import { decode, ExtensionCodec } from '@msgpack/msgpack';
import { loadSync } from '@grpc/proto-loader';
import * as grpc from '@grpc/grpc-js';
import { join } from 'node:path';

import type { AttributeSchema, BlockSchema, RecordedProvider, ResourceSchema } from './recorded.ts';
import { UNKNOWN, type Value } from './value.ts';

/** What is wrong with a resource, where, in the words that Terraform shows. */
export interface Finding {
  /** Names of attributes and numbers of list elements, from the resource down. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Judges the configuration of one resource (`azurerm_subnet`) or data source (`data.azurerm_subnet`), its expressions evaluated. */
export type CheckResource = (type: string, config: Value) => readonly Finding[];

export interface RunningProviders {
  /** The value of TF_REATTACH_PROVIDERS that makes Terraform use them. */
  readonly reattach: string;
  close(): void;
}

/**
 * Serves recorded schemas to Terraform as if they were the providers, from within this process: for `validate`, and for `test`
 * with `mock_provider`, where Terraform answers plan and apply itself but still has each resource validated by its provider
 * (terraform, internal/providers/mock.go). Terraform reaches it by TF_REATTACH_PROVIDERS, its way to debug a provider
 * (developer.hashicorp.com/terraform/plugin/debugging): no installation, no registry, no certificates.
 */
export async function serveProviders(
  providers: readonly RecordedProvider[],
  check: CheckResource,
): Promise<RunningProviders> {
  const running = await Promise.all(providers.map(async (provider) => serve(provider, check)));
  const entries = running.map(({ port }, index) => [
    providers[index]?.address,
    {
      Protocol: 'grpc',
      ProtocolVersion: 6,
      Pid: process.pid,
      Test: true, // Terraform leaves the process alone when it is done
      Addr: { Network: 'tcp', String: `127.0.0.1:${port}` },
    },
  ]);
  return {
    reattach: JSON.stringify(Object.fromEntries(entries)),
    close: () => running.forEach(({ server }) => server.forceShutdown()),
  };
}

async function serve(
  provider: RecordedProvider,
  check: CheckResource,
): Promise<{ readonly server: grpc.Server; readonly port: number }> {
  const definition = loadSync(join(import.meta.dirname, 'tfplugin6.proto'), { keepCase: true, enums: String });
  const service = definition['tfplugin6.Provider'] as grpc.ServiceDefinition;
  const answer =
    <Request, Response>(respond: (request: Request) => Response): grpc.handleUnaryCall<Request, Response> =>
    ({ request }, callback) => {
      try {
        callback(null, respond(request));
      } catch (error) {
        callback({ code: grpc.status.INTERNAL, message: String(error) });
      }
    };
  const validate = (prefix: string): grpc.UntypedHandleCall =>
    answer(({ type_name, config }: { type_name: string; config: { msgpack: Uint8Array } }) => ({
      diagnostics: check(prefix + type_name, decodeValue(config.msgpack)).map(toDiagnostic),
    }));
  // Terraform asks for the schema many times in one run: it is encoded once.
  const getSchema = method(service, 'GetProviderSchema');
  const schema = getSchema.responseSerialize(toSchemas(provider));
  const server = new grpc.Server({ 'grpc.max_send_message_length': -1 });
  server.addService(
    { ...service, GetProviderSchema: { ...getSchema, responseSerialize: () => schema } },
    {
      GetProviderSchema: answer(() => ({})),
      ValidateProviderConfig: answer(() => ({})),
      ValidateResourceConfig: validate(''),
      ValidateDataResourceConfig: validate('data.'),
      StopProvider: answer(() => ({})),
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { server, port };
}

function method(service: grpc.ServiceDefinition, name: string): grpc.MethodDefinition<unknown, unknown> {
  const method = service[name];
  if (!method) throw new Error(`tfplugin6.proto has no ${name}`);
  return method as grpc.MethodDefinition<unknown, unknown>;
}

/** Terraform's msgpack: extension 0 is an unknown value, 12 an unknown value of which something is known (cty, docs/refinements). */
const codec = new ExtensionCodec();
for (const type of [0, 12]) codec.register({ type, encode: () => null, decode: () => UNKNOWN });

/** A value of type `dynamic` comes as its type, in JSON, and the value. */
const isDynamic = (value: unknown): value is [Uint8Array, unknown] =>
  Array.isArray(value) && value.length === 2 && value[0] instanceof Uint8Array;

function decodeValue(msgpack: Uint8Array): Value {
  return plain(decode(msgpack, { extensionCodec: codec }));
}

function plain(value: unknown): Value {
  if (isDynamic(value)) return plain(value[1]);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value as Value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
}

function toDiagnostic({ path, message }: Finding): object {
  const steps = path.map((step) => (typeof step === 'number' ? { element_key_int: step } : { attribute_name: step }));
  // Terraform shows the place only for paths it can follow; sets have no index, so the path is in the text as well.
  return { severity: 'ERROR', summary: message, detail: path.join('.'), attribute: { steps: steps.slice(0, 1) } };
}

function toSchemas({ schema }: RecordedProvider): object {
  const all = (schemas: Readonly<Record<string, ResourceSchema>>): object =>
    Object.fromEntries(Object.entries(schemas).map(([name, resource]) => [name, toSchema(resource)]));
  return {
    provider: toSchema(schema.provider),
    resource_schemas: all(schema.resource_schemas),
    data_source_schemas: all(schema.data_source_schemas),
  };
}

function toSchema({ version, block }: ResourceSchema): object {
  return { version, block: toBlock(block) };
}

function toBlock({ attributes = {}, block_types = {}, deprecated = false }: BlockSchema): object {
  return {
    attributes: toAttributes(attributes),
    block_types: Object.entries(block_types).map(([type_name, nested]) => ({
      type_name,
      block: toBlock(nested.block),
      nesting: nested.nesting_mode.toUpperCase(),
      min_items: nested.min_items ?? 0,
      max_items: nested.max_items ?? 0,
    })),
    deprecated,
  };
}

function toAttributes(attributes: Readonly<Record<string, AttributeSchema>>): readonly object[] {
  return Object.entries(attributes).map(([name, { type, nested_type, ...flags }]) => ({
    name,
    ...flags,
    ...(type !== undefined && { type: Buffer.from(JSON.stringify(type)) }),
    ...(nested_type && {
      nested_type: {
        attributes: toAttributes(nested_type.attributes),
        nesting: nested_type.nesting_mode.toUpperCase(),
      },
    }),
  }));
}
