/** Charts that do more than hold objects of the release's own namespace, and what helm may ask of the cluster for each. */
export interface ChartCase {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  /** Everything that the chart holds, `resource.group namespace/name`: an install grant covers it, whatever it is. */
  readonly holds: readonly string[];
  /** What its templates look up, as describeAttributes writes it, when helm renders for the server. */
  readonly looksUp: readonly string[];
}

const manifest = (name: string): string => `apiVersion: v2\nname: ${name}\nversion: 1.0.0\n`;
const configMap = (name: string, rest = ''): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n${rest}`;

export const charts: readonly ChartCase[] = [
  {
    name: 'looks up by literal names',
    files: {
      'c/Chart.yaml': manifest('c'),
      'c/templates/a.yaml': `${configMap('found')}data:
  one: {{ (lookup "v1" "ConfigMap" "shop" "web-config") | toJson | quote }}
  all: {{ (lookup "v1" "Secret" "kube-system" "") | toJson | quote }}
  node: {{ (lookup "v1" "Node" "" "node-1") | toJson | quote }}
  pods: {{ (lookup "v1" "Pod" "" "") | toJson | quote }}
`,
    },
    holds: ['configmaps. shop/found'],
    looksUp: [
      'get configmaps web-config in shop',
      'list secrets in kube-system',
      'get nodes node-1',
      'list pods in all namespaces',
    ],
  },
  {
    name: 'looks up what only the rendering tells',
    files: {
      'c/Chart.yaml': manifest('c'),
      'c/values.yaml': 'name: db\nspace: kube-system\nkind: Secret\n',
      'c/templates/_h.tpl':
        '{{ define "c.look" }}{{ (lookup "v1" "Service" .Release.Namespace "web") | toJson | quote }}{{ end }}',
      'c/templates/a.yaml': `${configMap('found')}data:
  one: {{ (lookup "v1" "Secret" .Values.space .Values.name) | toJson | quote }}
  two: {{ include "c.look" . }}
  three: {{ (lookup "v1" .Values.kind .Values.space "") | toJson | quote }}
  four: {{ tpl "{{ (lookup \\"v1\\" \\"Secret\\" \\"kube-system\\" \\"tpl\\").kind | toJson | quote }}" . }}
`,
    },
    holds: ['configmaps. shop/found'],
    looksUp: [
      'get secrets db in kube-system',
      'get services web in shop',
      'list secrets in kube-system',
      'get secrets tpl in kube-system',
    ],
  },
  {
    name: 'has hooks',
    files: {
      'c/Chart.yaml': manifest('c'),
      'c/templates/a.yaml': configMap('kept'),
      'c/templates/before.yaml': configMap(
        'before',
        '  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: "before-hook-creation,hook-succeeded"}\n',
      ),
      'c/templates/after.yaml': configMap(
        'after',
        '  annotations: {helm.sh/hook: "post-install,post-delete", helm.sh/hook-weight: "3"}\n',
      ),
    },
    holds: ['configmaps. shop/kept', 'configmaps. shop/before', 'configmaps. shop/after'],
    looksUp: [],
  },
  {
    name: 'holds a definition',
    files: {
      'c/Chart.yaml': manifest('c'),
      'c/crds/t.yaml': `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: things, singular: thing, kind: Thing}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`,
      'c/templates/a.yaml': configMap('kept'),
    },
    holds: ['configmaps. shop/kept', 'customresourcedefinitions.apiextensions.k8s.io /things.example.com'],
    looksUp: [],
  },
  {
    name: 'names other namespaces and none',
    files: {
      'c/Chart.yaml': manifest('c'),
      'c/templates/a.yaml': configMap('there', '  namespace: kube-system\n'),
      'c/templates/b.yaml': 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: more\n',
      'c/charts/s/Chart.yaml': manifest('s'),
      'c/charts/s/templates/a.yaml': configMap('sub', '  namespace: {{ .Release.Namespace }}\n'),
    },
    holds: ['configmaps. kube-system/there', 'namespaces. /more', 'configmaps. shop/sub'],
    looksUp: [],
  },
];
