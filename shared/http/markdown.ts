import type { FastifyReply, FastifyRequest } from 'fastify';
import { write, type Message } from '../chat/message.ts';
import { acceptedProfile, type Profile } from '../chat/profile.ts';
import { Problem } from '../errors.ts';

/** Whether the caller wants words for people, and for which chat. Throws Problem `request-invalid` for a profile that there is not. */
export const profileOf = ({ headers }: FastifyRequest): Profile | undefined => acceptedProfile(headers.accept);

/** The same where a problem is on its way already. */
export function profileForProblem(request: FastifyRequest): Profile | undefined {
  try {
    return profileOf(request);
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

/** A message that is ready to be posted. RFC 7763 has the type; `profile` says for which chat. */
export const sendMessage = (reply: FastifyReply, message: Message, profile: Profile): FastifyReply =>
  reply.header('content-type', `text/markdown; charset=utf-8; profile=${profile}`).send(write(message, profile));
