import type { TelemetryConfig } from '../config/config.ts';
import { redactText } from '../lib/redact.ts';
import { noTelemetry } from './no-telemetry.ts';
import type { OpenedTelemetry, TelemetryOptions } from './opened.ts';

/** What the configuration asks for; the SDK is loaded with it, and only then. Never rejects: a gateway without telemetry is one that runs. */
export async function openTelemetry(
  config: TelemetryConfig | undefined,
  options: TelemetryOptions,
): Promise<OpenedTelemetry> {
  if (!config) return off;
  try {
    const { openSdk } = await import('./sdk/open.ts');
    return await openSdk(config, options);
  } catch (error) {
    const why = error instanceof Error ? redactText(error.message).slice(0, 200) : 'unknown error';
    options.warn(`telemetry could not be started, and there is none: ${why}`);
    return off;
  }
}

const off: OpenedTelemetry = { telemetry: noTelemetry, close: async () => undefined };
