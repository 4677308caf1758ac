import * as Type from 'typebox';
import type { Static } from 'typebox';
import { builtInRole, builtInRoleNames } from '../config/built-in-roles.ts';
import type { Config } from '../config/config.ts';
import { readDocument } from '../config/document.ts';
import { checkForm } from '../config/form.ts';
import { ConfigError, formatPath, type ConfigProblem, type Path } from '../config/problem.ts';
import { didYouMean } from '../lib/suggest.ts';
import { readGuid } from '../config/values.ts';
import type { Asker } from './decide-both.ts';
import { jobPrincipal, type Principal } from '../identity/principal.ts';

// cases.yaml: who asks for what on which cluster, and what the policy is meant to say. infra/policies/cases.yaml is an example.

const strict = { additionalProperties: false } as const;
const Text = Type.String({ minLength: 1 });
const Traits = {
  tenant: Type.Optional(Text),
  appRoles: Type.Optional(Type.Array(Text)),
  groups: Type.Optional(Type.Array(Text)),
  /** The token leaves the groups out, as Entra does for a user in more than 200. */
  groupsOverage: Type.Optional(Type.Boolean()),
};
const PrincipalSchema = Type.Union([
  Type.Object({ user: Text, ...Traits }, strict),
  Type.Object({ app: Text, ...Traits }, strict),
  Type.Object({ job: Text }, strict),
]);
const Expected = {
  name: Type.Optional(Text),
  principal: Text,
  expect: Type.Union([Type.Literal('allow'), Type.Literal('deny'), Type.Literal('refuse')]),
  /** `viewer/deny[0]`: the rule that has to decide. */
  rule: Type.Optional(Text),
};
const Command = {
  cluster: Text,
  /** The person behind the caller, by a token of their own: both must be allowed. */
  requester: Type.Optional(Text),
  reason: Type.Optional(Type.String()),
  stdin: Type.Optional(Type.String()),
  files: Type.Optional(Type.Array(Type.Object({ path: Text, content: Type.String() }, strict))),
};
const CaseSchema = Type.Union([
  Type.Object({ ...Expected, ...Command, argv: Type.Array(Type.String(), { minItems: 1 }) }, strict),
  Type.Object({ ...Expected, ...Command, command: Text }, strict),
  Type.Object({ ...Expected, cluster: Type.Optional(Text), get: Text }, strict),
]);
const CasesSchema = Type.Object(
  { principals: Type.Record(Text, PrincipalSchema), cases: Type.Array(CaseSchema, { minItems: 1 }) },
  strict,
);

type CasesFile = Static<typeof CasesSchema>;

/** What is asked: a command, in words or as one line, or one of the gateway's own paths. */
export type PolicyCase = CasesFile['cases'][number];

interface PolicyCaseFile {
  readonly principals: ReadonlyMap<string, Principal>;
  readonly cases: readonly ({ readonly line: number; readonly asked: PolicyCase } & Asker)[];
}

const builtInRoles = (): Config['policy']['roles'] =>
  Object.fromEntries(builtInRoleNames.map((name) => [name, builtInRole(name, ['*'])]));

/** Reads cases.yaml against the configuration that it tests. Throws ConfigError with all problems, each with its line. */
export function readPolicyCases(text: string, config: Config, source: string): PolicyCaseFile {
  const document = readDocument(text);
  const problems: ConfigProblem[] = document.problems.map((problem) => ({ ...problem, path: '' }));
  const tell: Tell = (path, message) => {
    problems.push({ line: document.line(path), path: formatPath(path), message });
  };
  const stop = (): void => {
    if (problems.length > 0) throw new ConfigError(source, problems);
  };
  stop();
  checkForm(CasesSchema, document.value, [], tell);
  stop();
  const file = document.value as CasesFile;
  const principals = readPrincipals(file, config, tell);
  const known = { config, principals, rules: rulesOf(config) };
  const cases = file.cases.flatMap((asked, index) => {
    const asker = checkCase(asked, index, known, tell);
    return asker ? [{ line: document.line(['cases', index]), asked, ...asker }] : [];
  });
  stop();
  return { principals, cases };
}

/** Takes down a problem, and where it is. */
type Tell = (path: Path, message: string) => void;

/** What a case may name. */
interface Known {
  readonly config: Config;
  readonly principals: ReadonlyMap<string, Principal>;
  readonly rules: ReadonlySet<string>;
}

const rulesOf = (config: Config): ReadonlySet<string> =>
  new Set(
    Object.entries({ ...builtInRoles(), ...config.policy.roles }).flatMap(([role, { allow = [], deny = [] }]) => [
      `${role}/bound`,
      ...allow.map((_rule, index) => `${role}/allow[${index}]`),
      ...deny.map((_rule, index) => `${role}/deny[${index}]`),
    ]),
  );

/** Tells what is wrong with a case. Who asks in it; undefined when the file has nobody of that name. */
function checkCase(asked: PolicyCase, index: number, known: Known, tell: Tell): Asker | undefined {
  const { config, principals, rules } = known;
  const at = (key: string): Path => ['cases', index, key];
  const principal = principals.get(asked.principal);
  if (!principal) tell(at('principal'), unknownPrincipal(asked.principal, principals));
  const requester =
    'requester' in asked ? readRequester(asked.requester, principals, at('requester'), tell) : undefined;
  if (asked.cluster !== undefined && !config.clusters.has(asked.cluster)) {
    tell(at('cluster'), `no cluster is called "${asked.cluster}".${didYouMean(asked.cluster, config.clusters.keys())}`);
  }
  if (asked.rule !== undefined && !rules.has(asked.rule)) {
    tell(at('rule'), `there is no such rule.${didYouMean(asked.rule, rules)}`);
  }
  if (asked.expect === 'refuse' && 'get' in asked) tell(at('expect'), 'a path is allowed or denied, never refused');
  return principal && { principal, requester };
}

const unknownPrincipal = (name: string, principals: Known['principals']): string =>
  `there is no principal of that name.${didYouMean(name, principals.keys())}`;

function readRequester(name: string, principals: Known['principals'], path: Path, tell: Tell): Principal | undefined {
  const requester = principals.get(name);
  if (!requester) tell(path, unknownPrincipal(name, principals));
  else if (requester.kind !== 'user') tell(path, 'is not a person: only a user can stand behind a caller');
  return requester;
}

const readPrincipals = (file: CasesFile, config: Config, tell: Tell): Known['principals'] =>
  new Map(
    Object.entries(file.principals).map(([name, spec]) => [
      name,
      'job' in spec
        ? readJob(spec.job, config, ['principals', name, 'job'], tell)
        : readCaller(spec, config, ['principals', name], tell),
    ]),
  );

type PrincipalSpec = CasesFile['principals'][string];

function readJob(job: string, config: Config, path: Path, tell: Tell): Principal {
  const jobs = config.jobs.map(({ name }) => name);
  if (!jobs.includes(job)) tell(path, `no job is called "${job}".${didYouMean(job, jobs)}`);
  return jobPrincipal(job);
}

/** A user or an application, as a token would tell of them. */
function readCaller(spec: Exclude<PrincipalSpec, { job: string }>, config: Config, path: Path, tell: Tell): Principal {
  const { tenants, scopes } = config.identity;
  const [only, ...others] = tenants;
  if (spec.tenant === undefined && others.length > 0) tell(path, 'needs tenant: the gateway serves several');
  const tid = spec.tenant === undefined ? (only ?? '') : guidAt(spec.tenant, [...path, 'tenant'], tell);
  if (!tenants.includes(tid)) tell([...path, 'tenant'], 'is not one of identity.tenants');
  const groups = (spec.groups ?? []).map((group, index) => guidAt(group, [...path, 'groups', index], tell));
  if (spec.groupsOverage && groups.length > 0) tell([...path, 'groups'], 'are not known with groupsOverage');
  const token = {
    tid,
    azp: '',
    uti: '',
    roles: spec.appRoles ?? [],
    groups: { known: !spec.groupsOverage, ids: groups },
  };
  return 'user' in spec
    ? { ...token, kind: 'user', oid: guidAt(spec.user, [...path, 'user'], tell), scopes }
    : { ...token, kind: 'app', oid: guidAt(spec.app, [...path, 'app'], tell) };
}

function guidAt(value: string, path: Path, tell: Tell): string {
  const reading = readGuid(value);
  if (reading.ok) return reading.value;
  tell(path, reading.problem);
  return '';
}
