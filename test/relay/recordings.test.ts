import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import type { Relay } from '../../shared/relay/relay.ts';
import { accepted, cluster, ID, json, relayTo, run, running, SUBSCRIPTION, submission } from './support/fixtures.ts';
import { startReplayArm, type ReplayAnswer, type ReplayArm } from './support/replay-arm.ts';

/**
 * The bodies of answers recorded from Azure, R1 to R8, byte for byte as far as they are on record: an Azure that knows nothing of the
 * emulated one. Subscription ids are scrubbed in the recordings already. R8's errors are in errors.test.ts, all of them.
 */
let arm: ReplayArm;
let relay: Relay;
beforeEach(async () => {
  arm = await startReplayArm();
  relay = relayTo(arm.url);
});
afterEach(() => arm.close());

const result = (body: string, headers: Readonly<Record<string, string>> = {}): ReplayAnswer => ({
  status: 200,
  headers: { ...json, ...headers },
  body,
});
const followed = (commandId: string) => relay.follow({ ...run(), commandId });

/** POST accepted, 202 Running, 200 Succeeded: the way of R1, R2 and R3, which differ in version and times. */
const lives = [
  ['R1', '2022-04-01', '2022-05-13T08:14:46Z', '2022-05-13T08:14:47Z'],
  ['R2', '2022-04-01', '2022-05-27T08:19:29Z', '2022-05-27T08:19:29Z'],
  ['R3', '2021-05-01', '2021-04-02T08:00:06Z', '2021-04-02T08:00:08Z'],
] as const;

describe('a recorded life', () => {
  test.each(lives)('%s, api-version %s', async (_, version, startedAt, finishedAt) => {
    const location = accepted.headers.location.replace('2022-04-01', version);
    arm.script('post', { ...accepted, headers: { ...accepted.headers, location } });
    // As long as the body of R1 and R2.
    expect(Buffer.byteLength(running.body)).toBe(104);
    const logs = String.raw`NAMESPACE     NAME ...\naks-command   command-${ID}   0/1   ContainerCreating   0   8s\n`;
    arm.script(
      'result',
      { ...running, headers: { ...running.headers, location } },
      result(
        `{"id":"${ID}","properties":{"provisioningState":"Succeeded","exitCode":0,"startedAt":"${startedAt}","finishedAt":"${finishedAt}","logs":"${logs}"}}`,
      ),
    );
    expect(await relay.submit(submission('kubectl', 'get', 'pods', '-A'))).toEqual({ kind: 'accepted', commandId: ID });
    expect(await followed(ID)).toMatchObject({
      kind: 'completed',
      exitCode: 0,
      streams: 'merged',
      startedAt: Date.parse(startedAt),
      finishedAt: Date.parse(finishedAt),
      stdout: Buffer.from(JSON.parse(`"${logs}"`) as string),
    });
    // Our own URL and version, whatever Location says.
    const polls = arm.requests.filter(({ method }) => method === 'GET');
    expect(polls).toHaveLength(2);
    for (const { url } of polls)
      expect(url).toMatch(new RegExp(`^${cluster.arm.id}/commandResults/${ID}\\?api-version=(?!${version})`));
  });

  test('R4: without optional fields, the id equal to the request id, limits in the headers, logs as Go escapes them', async () => {
    const id = 'b3d43a270409499498a409a2ee4a3fb4';
    arm.script('post', {
      status: 202,
      headers: {
        'content-length': '0',
        location: `https://management.azure.com/subscriptions/${SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedclusters/aks/commandResults/${id}?api-version=2023-02-01`,
        'x-ms-request-id': 'b3d43a27-0409-4994-98a4-09a2ee4a3fb4',
        'x-ms-ratelimit-remaining-subscription-writes': '1199',
      },
    });
    arm.script(
      'result',
      result(
        String.raw`{"id":"${id}","properties":{"provisioningState":"Succeeded","exitCode":0,"startedAt":"2023-03-31T08:51:44Z","finishedAt":"2023-03-31T08:51:45Z","logs":"NOMINATED NODE\n\u003cnone\u003e\n"}}`,
        { 'x-ms-ratelimit-remaining-subscription-reads': '11999' },
      ),
    );
    expect(await relay.submit(submission('kubectl', 'get', 'pods'))).toEqual({
      kind: 'accepted',
      commandId: id,
      requestId: 'b3d43a27-0409-4994-98a4-09a2ee4a3fb4',
    });
    expect(Object.keys(JSON.parse(arm.requests[0]?.body ?? '{}') as object)).toEqual(['command']);
    const ended = await followed(id);
    expect(ended).toMatchObject({ kind: 'completed', stdout: Buffer.from('NOMINATED NODE\n<none>\n') });
    // Read again with the same body, as the recording does.
    expect(await followed(id)).toEqual(ended);
  });

  test('R5: a result is read for the first time six minutes after its end', async () => {
    const id = '706de66629b14267b4962cf015122c12';
    arm.script(
      'result',
      result(
        `{"id":"${id}","properties":{"provisioningState":"Succeeded","exitCode":0,"startedAt":"2023-03-31T09:14:39Z","finishedAt":"2023-03-31T09:14:40Z","logs":""}}`,
      ),
    );
    const late = relay.follow({ ...run(), commandId: id, submittedAt: Date.now() - 370_000 });
    expect(await late).toMatchObject({ kind: 'completed', exitCode: 0, finishedAt: Date.UTC(2023, 2, 31, 9, 14, 40) });
  });

  test('R6: still running, with startedAt and through another front, then ended', async () => {
    const id = '92d11530b01b45b39704c7903021a7a3';
    const still: ReplayAnswer = {
      status: 202,
      headers: { ...json, 'x-cache': 'CONFIG_NOCACHE', 'x-msedge-ref': 'Ref A: x' },
      body: `{"id":"${id}","properties":{"provisioningState":"Running","startedAt":"2024-03-15T16:29:07Z"}}`,
    };
    arm.script(
      'result',
      still,
      still,
      result(
        `{"id":"${id}","properties":{"provisioningState":"Succeeded","exitCode":1,"startedAt":"2024-03-15T16:29:07Z","finishedAt":"2024-03-15T16:29:30Z","logs":"error: You must be logged in to the server (Unauthorized)\\n"}}`,
      ),
    );
    expect(await followed(id)).toMatchObject({ kind: 'completed', exitCode: 1 });
    expect(arm.requests).toHaveLength(3);
  });

  test('R7: failed in lower case with HTTP 200 and a reason: nothing ran', async () => {
    const id = 'def7b3ea71bd4f7e9d226ddbc0f00ad9';
    arm.script(
      'result',
      result(`{"id":"${id}","properties":{"provisioningState":"failed","reason":"ImagePullBackoff"}}`),
    );
    expect(await followed(id)).toMatchObject({ kind: 'failed', code: 'ImagePullBackoff' });
  });

  test.each([
    `Error from server (Forbidden): deployments.apps is forbidden: User \\"x\\" cannot list resource`,
    'error: You must be logged in to the server (Unauthorized)',
    'Error: open /command-files/new-tenant/.helmignore: permission denied',
  ])('R8, in the logs: %s: it ran, and its exit code is 1', async (logs) => {
    arm.script(
      'result',
      result(`{"id":"${ID}","properties":{"provisioningState":"Succeeded","exitCode":1,"logs":"${logs}"}}`),
    );
    expect(await followed(ID)).toMatchObject({
      kind: 'completed',
      exitCode: 1,
      stdout: Buffer.from(logs.replaceAll('\\"', '"')),
    });
  });
});
