import * as Type from 'typebox';
import type { TObject, TSchema } from 'typebox';
import { lineSchemas } from '../audit/schemas.ts';

/** What the gateway adds to a line of the trail when it gives it out. */
const given = {
  hash: Type.String({ description: "SHA-256 of the event's line, hex: the next line of its stream names it." }),
};

/** `command.intended` is CommandIntended to a client in another language. */
const typeName = (event: string): string =>
  event.replaceAll(/(?:^|[.-])([a-z])/g, (_all, letter: string) => letter.toUpperCase());

const withHash = (line: TSchema, title?: string): TSchema =>
  Type.Object({ ...(line as TObject).properties, ...given }, { additionalProperties: false, ...(title && { title }) });

const eventOf = (name: string, line: TSchema): TSchema => {
  const title = `${typeName(name)}Event`;
  const { anyOf } = line as { readonly anyOf?: readonly TSchema[] };
  return anyOf
    ? Type.Union(
        anyOf.map((form) => withHash(form)),
        { title },
      )
    : withHash(line, title);
};

/** Any event of the trail, told apart by its code. */
export const AuditEventBody = Type.Union(
  [...lineSchemas].map(([name, line]) => eventOf(name, line)),
  { title: 'AuditEvent', description: 'Told apart by its code.' },
);

export const CheckpointBody = Type.Object(
  {
    stream: Type.String(),
    seq: Type.Integer(),
    time: Type.String({ format: 'date-time' }),
    jws: Type.String({ description: 'The signed checkpoint, compact (RFC 7515): keep it in a second place.' }),
  },
  { title: 'Checkpoint' },
);
