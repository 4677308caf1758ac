import type { Clock } from '../../../shared/clock.ts';
import { at, list, text, type KubeObject } from './json.ts';
import { badRequest } from './status.ts';
import { timestamp } from './storage.ts';

const lines = [
  'starting, version from image tag',
  'configuration loaded',
  'listening',
  'GET /healthz 200 1ms',
  'GET /api/products 200 12ms',
  'GET /api/products/17 200 9ms',
  'POST /api/basket 201 23ms',
  'GET /healthz 200 1ms',
  'WARN slow query took 812ms',
  'GET /api/products 200 11ms',
];

/** The log of one container: the same believable lines for every pod, one a minute from its start, the last one a minute ago at most. */
export function podLog(pod: KubeObject, query: URLSearchParams, clock: Clock): string {
  const names = ['containers', 'initContainers'].flatMap((field) =>
    list(at(pod, 'spec', field)).map((container) => text(at(container, 'name'))),
  );
  const container = query.get('container') ?? names[0] ?? '';
  const { name } = pod.metadata;
  if (!names.includes(container)) throw badRequest(`container ${container} is not valid for pod ${name}`);
  if (query.get('container') === null && names.length > 1)
    throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${names.join(' ')}]`);
  if (query.get('previous') === 'true')
    throw badRequest(`previous terminated container "${container}" in pod "${name}" not found`);

  const minute = 60_000;
  const born = Date.parse(pod.metadata.creationTimestamp ?? '') || clock.now();
  const from = Math.max(born, clock.now() - (lines.length - 1) * minute);
  let entries = lines.map((line, index) => ({
    when: Math.min(from + index * minute, clock.now()),
    line: `${container}: ${line}`,
  }));
  const since = query.get('sinceSeconds');
  if (since !== null) entries = entries.filter(({ when }) => when >= clock.now() - Number(since) * 1000);
  const sinceTime = query.get('sinceTime');
  if (sinceTime !== null) entries = entries.filter(({ when }) => when >= Date.parse(sinceTime));
  const tail = query.get('tailLines');
  if (tail !== null) entries = Number(tail) === 0 ? [] : entries.slice(-Number(tail));
  const stamp = (when: number) => `${timestamp(when).slice(0, -1)}.000000000Z `;
  let log = entries
    .map(({ when, line }) => `${query.get('timestamps') === 'true' ? stamp(when) : ''}${line}\n`)
    .join('');
  const limit = query.get('limitBytes');
  if (limit !== null) log = log.slice(0, Number(limit));
  return log;
}
