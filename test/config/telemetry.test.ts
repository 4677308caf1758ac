import { describe, expect, test } from '@jest/globals';
import { inspect } from 'node:util';
import { missingSettings } from '../../functions/settings.ts';
import { env, parse, problemsOf, withSections } from './valid.ts';

const KEY = '12345678-1234-4234-8234-123456789abc';
const CONNECTION = `InstrumentationKey=${KEY};IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/`;
const withTelemetry = (telemetry: string): string => `${withSections({})}\ntelemetry: ${telemetry}`;
const withConnection = (connection: string) => ({
  env: { ...env, APPLICATIONINSIGHTS_CONNECTION_STRING: connection },
});

describe('telemetry', () => {
  test('is off unless it is asked for, and goes to one place', () => {
    expect(parse(withSections({})).telemetry).toBeUndefined();
    expect(parse(withTelemetry('{ prometheus: true }')).telemetry).toEqual({ prometheus: true });
    expect(parse(withTelemetry('{ otlp: "https://otel.example.com/in/" }')).telemetry).toEqual({
      to: { kind: 'otlp', url: 'https://otel.example.com/in' },
      prometheus: false,
    });
    expect(parse(withTelemetry('{ otlp: "http://127.0.0.1:4318" }')).telemetry?.to).toEqual({
      kind: 'otlp',
      url: 'http://127.0.0.1:4318',
    });
  });

  test.each([
    ['{}', /asks for nothing/],
    ['{ azureMonitor: false }', /azureMonitor/],
    ['{ otlp: "http://otel.example.com" }', /plain http is for loopback only/],
    ['{ otlp: "https://user:pw@otel.example.com" }', /must not hold a user name/],
    ['{ otlp: "https://otel.example.com/?key=abc" }', /must not have a query/],
    ['{ otlp: otel }', /no URL/],
    ['{ prometheus: true, jaeger: true }', /jaeger/],
    ['{ prometheus: yes }', /prometheus/],
  ])('%s is refused, on its line', (telemetry, problem) => {
    const [first] = problemsOf(withTelemetry(telemetry));
    expect(first).toMatch(/^10 telemetry/);
    expect(first).toMatch(problem);
  });

  test('of Azure Monitor names the setting that it lacks, for the answers of a gateway that does not start', () => {
    const missing = (connection: string): readonly string[] => {
      try {
        parse(withTelemetry('{ azureMonitor: true }'), withConnection(connection));
        return [];
      } catch (error) {
        return missingSettings(error as Error);
      }
    };
    for (const connection of ['', '@Microsoft.KeyVault(VaultName=x;SecretName=y)'])
      expect(missing(connection)).toEqual(['APPLICATIONINSIGHTS_CONNECTION_STRING']);
    expect(missing('hunter2')).toEqual([]);
  });

  test('of Azure Monitor needs a connection string that is one, which is nowhere shown', () => {
    const asked = withTelemetry('{ azureMonitor: true }');
    expect(problemsOf(asked)).toEqual([
      '10 telemetry.azureMonitor: the environment variable APPLICATIONINSIGHTS_CONNECTION_STRING is not set',
    ]);
    expect(problemsOf(asked, withConnection('@Microsoft.KeyVault(SecretUri=https://x)'))).toEqual([
      expect.stringMatching(/APPLICATIONINSIGHTS_CONNECTION_STRING holds a Key Vault reference that was not resolved/),
    ]);
    for (const bad of ['hunter2', 'InstrumentationKey=hunter2', `IngestionEndpoint=https://x/;Key=${KEY}`]) {
      const [problem = ''] = problemsOf(asked, withConnection(bad));
      expect(problem).toMatch(/is not a connection string/);
      expect(problem).not.toContain('hunter2');
    }
    expect(problemsOf(asked, withConnection(`InstrumentationKey=${KEY};IngestionEndpoint=http://example.com`))).toEqual(
      [expect.stringMatching(/IngestionEndpoint .* is not an https address/)],
    );
    const { telemetry } = parse(asked, withConnection(CONNECTION));
    expect(telemetry?.to).toMatchObject({ kind: 'azureMonitor', authenticated: false });
    expect(inspect(telemetry) + JSON.stringify(telemetry)).not.toContain(KEY);
    const aad = { APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=x;Authorization=AAD' };
    const signedIn = parse(asked, { env: { ...withConnection(CONNECTION).env, ...aad } });
    expect(signedIn.telemetry?.to).toMatchObject({ authenticated: true });
    expect(problemsOf(withTelemetry('{ azureMonitor: true, otlp: "https://x" }'), withConnection(CONNECTION))).toEqual([
      expect.stringMatching(/cannot go with azureMonitor/),
    ]);
  });
});
