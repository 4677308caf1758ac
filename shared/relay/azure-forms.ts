import * as Type from 'typebox';
import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

/**
 * What Azure's answers look like, as far as the gateway reads them: the one place where a body becomes a value. What does not fit is
 * not an answer. Members that nothing here names may be there; ARM adds some with each api-version.
 */

/** Absent and null are one in ARM's answers. */
const maybe = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([Type.Null(), schema]));

/** Run command came in 2021; a year beyond this century is not a time. Whole seconds so far, fractions allowed (RFC 3339). */
const Time = Type.String({
  pattern:
    '^20[2-9]\\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|\\+00:00)$',
});
/** An exit status is one byte (POSIX, exit()). */
const ExitCode = Type.Integer({ minimum: 0, maximum: 255 });
/** 32 hex digits, with or without dashes. */
const CommandId = Type.String({ pattern: '^[0-9a-fA-F-]{32,36}$' });
const Word = Type.String({ minLength: 1, maxLength: 200 });

/** commandResults, 200 and 202 (RunCommandResult of the REST API). */
export const ResultBody = Type.Object({
  id: maybe(CommandId),
  properties: Type.Object({
    provisioningState: Word,
    exitCode: maybe(ExitCode),
    startedAt: maybe(Time),
    finishedAt: maybe(Time),
    logs: maybe(Type.String()),
    reason: maybe(Type.String()),
  }),
});
export type ResultBody = Static<typeof ResultBody>;

const PowerState = Type.Object({ code: maybe(Word) });
const Pool = Type.Object({
  name: maybe(Word),
  currentOrchestratorVersion: maybe(Word),
  provisioningState: maybe(Word),
  powerState: maybe(PowerState),
});

/** GET managedClusters: the members that decide whether, and as whom, a command can run, and those that a look at it tells. */
export const ClusterBody = Type.Object({
  id: maybe(Type.String({ maxLength: 2_000 })),
  name: maybe(Word),
  sku: maybe(Type.Object({ tier: maybe(Word) })),
  properties: Type.Object({
    provisioningState: maybe(Word),
    powerState: maybe(PowerState),
    currentKubernetesVersion: maybe(Word),
    disableLocalAccounts: maybe(Type.Boolean()),
    supportPlan: maybe(Word),
    agentPoolProfiles: maybe(Type.Array(Pool, { maxItems: 1_000 })),
    apiServerAccessProfile: maybe(
      Type.Object({
        disableRunCommand: maybe(Type.Boolean()),
        enablePrivateCluster: maybe(Type.Boolean()),
        enableVnetIntegration: maybe(Type.Boolean()),
      }),
    ),
    aadProfile: maybe(Type.Object({ managed: maybe(Type.Boolean()) })),
  }),
});

export type ClusterBody = Static<typeof ClusterBody>;

/** An error, in ARM's one form (learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors). */
export const ErrorBody = Type.Object({
  error: Type.Object({ code: Type.String({ pattern: '^[\\w.-]{1,100}$' }), message: maybe(Type.String()) }),
});

/** A reader of one form: the value, or undefined for a text that does not hold it. */
export function readerOf<T extends TSchema>(schema: T): (body: string | undefined) => Static<T> | undefined {
  let form: ReturnType<typeof Compile<T>> | undefined;
  return (body) => {
    const value = parseJson(body);
    // Compiled when first needed: a cold start need not pay for it.
    form ??= Compile(schema);
    return form.Check(value) ? value : undefined;
  };
}

function parseJson(body: string | undefined): unknown {
  try {
    return JSON.parse(body ?? '') as unknown;
  } catch {
    return undefined;
  }
}
