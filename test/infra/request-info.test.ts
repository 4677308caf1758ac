import { describe, expect, test } from '@jest/globals';
import { requestInfo, toAttributes } from '../../infra/local/kubernetes/request-info.ts';

/** METHOD path → verb group/resource/subresource namespace name, as Kubernetes' own table has it (requestinfo_test.go), and more. */
const cases: readonly (readonly [method: string, path: string, expected: string])[] = [
  ['GET', '/api/v1/namespaces', 'list /namespaces/ - -'],
  ['GET', '/api/v1/namespaces/other', 'get /namespaces/ other other'],
  ['DELETE', '/api/v1/namespaces/other', 'delete /namespaces/ other other'],
  ['PUT', '/api/v1/namespaces/other/finalize', 'update /namespaces/finalize other other'],
  ['GET', '/api/v1/namespaces/other/status', 'get /namespaces/status other other'],
  ['GET', '/api/v1/namespaces/other/pods', 'list /pods/ other -'],
  ['GET', '/api/v1/namespaces/other/pods/foo', 'get /pods/ other foo'],
  ['HEAD', '/api/v1/namespaces/other/pods/foo', 'get /pods/ other foo'],
  ['GET', '/api/v1/pods', 'list /pods/ - -'],
  ['GET', '/api/v1/namespaces/other/pods?watch=1', 'watch /pods/ other -'],
  ['GET', '/api/v1/namespaces/other/pods?watch=true', 'watch /pods/ other -'],
  ['GET', '/api/v1/namespaces/other/pods?watch=false', 'list /pods/ other -'],
  ['GET', '/api/v1/namespaces/other/pods/foo?watch=true', 'get /pods/ other foo'],
  ['GET', '/api/v1/watch/namespaces/other/pods', 'watch /pods/ other -'],
  ['GET', '/api/v1/watch/namespaces/other/pods/foo', 'watch /pods/ other foo'],
  ['GET', '/api/v1/namespaces/other/pods?fieldSelector=metadata.name%3Dfoo', 'list /pods/ other foo'],
  ['GET', '/api/v1/namespaces/other/pods?fieldSelector=metadata.name%3Dfoo&watch=true', 'watch /pods/ other foo'],
  ['GET', '/api/v1/namespaces/other/pods?fieldSelector=metadata.name!%3Dfoo', 'list /pods/ other -'],
  ['GET', '/api/v1/pods?fieldSelector=metadata.namespace!%3Daks-command', 'list /pods/ - -'],
  ['DELETE', '/api/v1/namespaces/other/pods', 'deletecollection /pods/ other -'],
  ['POST', '/api/v1/namespaces/other/pods', 'create /pods/ other -'],
  ['POST', '/api/v1/namespaces/other/pods/foo/exec', 'create /pods/exec other foo'],
  ['GET', '/api/v1/namespaces/other/pods/foo/log', 'get /pods/log other foo'],
  ['POST', '/api/v1/namespaces/other/pods/foo/eviction', 'create /pods/eviction other foo'],
  ['GET', '/api/v1/proxy/namespaces/other/pods/foo/x', 'proxy /pods/ other foo'],
  ['PATCH', '/apis/apps/v1/namespaces/shop/deployments/web/scale', 'patch apps/deployments/scale shop web'],
  ['GET', '/apis/apps/v1/deployments', 'list apps/deployments/ - -'],
  ['GET', '/apis/metrics.k8s.io/v1beta1/nodes', 'list metrics.k8s.io/nodes/ - -'],
  [
    'POST',
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    'create authorization.k8s.io/selfsubjectaccessreviews/ - -',
  ],
  ['GET', '/api/v1/nodes/aks%2D1', 'get /nodes/ - aks-1'],
  ['GET', '/api', 'get nothing'],
  ['GET', '/api/v1', 'get nothing'],
  ['GET', '/apis', 'get nothing'],
  ['GET', '/apis/apps/v1', 'get nothing'],
  ['GET', '/version', 'get nothing'],
  ['POST', '/healthz', 'post nothing'],
];

describe('RequestInfo', () => {
  test.each(cases)('%s %s is %s', (method, path, expected) => {
    const info = requestInfo(method, new URL(path, 'http://emulated'));
    const seen = info.isResource
      ? `${info.verb} ${info.group}/${info.resource}/${info.subresource} ${info.namespace || '-'} ${info.name || '-'}`
      : `${info.verb} nothing`;
    expect(seen).toBe(expected);
  });

  test.each([
    ['/api/v1/pods', true, '*'],
    ['/api/v1/namespaces/shop/pods', true, 'shop'],
    ['/api/v1/nodes', false, ''],
    ['/api/v1/namespaces/shop', false, ''],
    ['/api/v1/namespaces', false, ''],
  ])('of %s becomes attributes with the namespace %3$p', (path, namespaced, namespace) => {
    const info = requestInfo('GET', new URL(path, 'http://emulated'));
    expect(info.isResource && toAttributes(info, namespaced).namespace).toBe(namespace);
  });
});
