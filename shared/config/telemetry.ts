import { trimEnd } from '../lib/trim-end.ts';
import { Secret } from '../secret.ts';
import type { TelemetryConfig } from './config.ts';
import { settingFault } from './environment.ts';
import type { Report } from './problem.ts';
import type { ConfigFile } from './schema.ts';
import { readGuid, readUrl } from './values.ts';

const CONNECTION = 'APPLICATIONINSIGHTS_CONNECTION_STRING';
const AUTHENTICATION = 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING';

/** Where traces and metrics go. Left out, or with `env` left out, nothing of the environment is looked at. */
export function readTelemetry(
  { telemetry }: ConfigFile,
  env: NodeJS.ProcessEnv | undefined,
  report: Report,
): TelemetryConfig | undefined {
  if (telemetry === undefined) return undefined;
  const { azureMonitor, otlp, prometheus = false } = telemetry;
  if (azureMonitor && otlp !== undefined)
    report.problem(['telemetry', 'otlp'], 'cannot go with azureMonitor: telemetry goes to one place');
  if (!azureMonitor && otlp === undefined && !prometheus)
    report.problem(['telemetry'], 'asks for nothing: azureMonitor: true, otlp: https://…, or prometheus: true');
  if (azureMonitor) return { to: readAzureMonitor(env, report), prometheus };
  if (otlp === undefined) return { prometheus };
  const url = readUrl(otlp);
  if (!url.ok) report.problem(['telemetry', 'otlp'], url.problem);
  return { to: { kind: 'otlp', url: url.ok ? trimEnd(url.value.href, '/') : '' }, prometheus };
}

function readAzureMonitor(env: NodeJS.ProcessEnv | undefined, report: Report): NonNullable<TelemetryConfig['to']> {
  const path = ['telemetry', 'azureMonitor'];
  const connection = env?.[CONNECTION] ?? '';
  const fault = env && settingFault(env, CONNECTION);
  const problem = env && whyNotConnection(connection);
  if (fault !== undefined) report.problem(path, `the environment variable ${CONNECTION} ${fault}`, CONNECTION);
  else if (problem !== undefined) report.problem(path, problem);
  // learn.microsoft.com/azure/azure-functions/functions-app-settings ("APPLICATIONINSIGHTS_AUTHENTICATION_STRING")
  const authenticated = /(?:^|;)\s*Authorization=AAD\s*(?:;|$)/i.test(env?.[AUTHENTICATION] ?? '');
  return { kind: 'azureMonitor', connection: new Secret(connection), authenticated };
}

/** `InstrumentationKey=…;IngestionEndpoint=https://…` (learn.microsoft.com/azure/azure-monitor/app/connection-strings). Never shown. */
function whyNotConnection(text: string): string | undefined {
  const parts = new Map(
    text.split(';').map((part) => {
      const at = part.indexOf('=');
      return [part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()] as const;
    }),
  );
  if (!readGuid(parts.get('instrumentationkey') ?? '').ok)
    return `${CONNECTION} is not a connection string of Application Insights: it has no InstrumentationKey=<GUID>`;
  const endpoint = parts.get('ingestionendpoint');
  // The exporter speaks https whatever stands there.
  if (endpoint !== undefined && !(readUrl(endpoint).ok && endpoint.startsWith('https://')))
    return `the IngestionEndpoint in ${CONNECTION} is not an https address`;
  return undefined;
}
