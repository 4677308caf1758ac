import { at, strings, text, type KubeObject } from './json.ts';
import { badRequest } from './status.ts';

type Test = (object: KubeObject) => boolean;

/** Label selectors as in the query: `a=b,c!=d,e in (f,g),!h`. */
export function labelSelector(selector: string | null): Test {
  const terms = (selector ?? '').split(/,(?![^(]*\))/).map((term) => term.trim());
  const tests = terms.filter((term) => term !== '').map(labelTerm);
  return (object) => tests.every((test) => test(object));
}

function labelTerm(term: string): Test {
  const value = (object: KubeObject, key: string) => strings(object.metadata.labels)[key];
  const set = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(term);
  if (set) {
    const [, key = '', operator, members = ''] = set;
    const among = members.split(',').map((member) => member.trim());
    return (object) => {
      const found = value(object, key);
      return operator === 'in'
        ? found !== undefined && among.includes(found)
        : found === undefined || !among.includes(found);
    };
  }
  const equality = /^([^!=\s]+)\s*(!=|==|=)\s*(\S*)$/.exec(term);
  if (equality) {
    const [, key = '', operator, wanted] = equality;
    return (object) => (value(object, key) === wanted) === (operator !== '!=');
  }
  const presence = /^(!?)([\w./-]+)$/.exec(term);
  if (!presence) throw badRequest(`unable to parse requirement: ${term}`);
  const [, not, key = ''] = presence;
  return (object) => (value(object, key) === undefined) === (not === '!');
}

/** Field selectors: any dotted path into the object, `=`, `==` or `!=`. */
export function fieldSelector(selector: string | null): Test {
  const terms = (selector ?? '').split(',').filter((term) => term !== '');
  const tests = terms.map((term): Test => {
    const match = /^([\w.]+)(!=|==|=)(.*)$/.exec(term);
    if (!match) throw badRequest(`invalid selector: '${term}'; can't understand '${term}'`);
    const [, path = '', operator, wanted = ''] = match;
    return (object) => (text(at(object, ...path.split('.'))) === wanted) === (operator !== '!=');
  });
  return (object) => tests.every((test) => test(object));
}
