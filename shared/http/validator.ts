import type { FastifySchemaCompiler } from 'fastify';
import { Compile } from 'typebox/compile';
import { Value } from 'typebox/value';
import type { TSchema } from 'typebox';

/**
 * Fastify's validation by typebox's own compiler. What comes as text (a query, a header, a path) is converted to the schema's type
 * first; a body is JSON and says its types itself. Not @fastify/type-provider-typebox, which does the same and loads all of ajv.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const form = Compile(schema);
  return (given: unknown) => {
    const value = httpPart === 'body' ? given : Value.Convert(schema, given);
    return form.Check(value) ? { value } : { error: form.Errors(value) };
  };
};
