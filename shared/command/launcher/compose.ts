import { createHash } from 'node:crypto';

import { Problem } from '../../errors.ts';
import type { SentCommand, SentFile } from '../invocation.ts';
import { RUN_ID, wordsInPod } from '../program.ts';
import { quote, quoteWords } from '../quote.ts';
import { checkUploads, LAUNCHER_FOLDER, zipContext } from './context-zip.ts';
import { script, stepsScript } from './script.ts';

interface Launch {
  readonly sent: SentCommand;
  /** 32 hex digits. */
  readonly nonce: string;
  readonly timeoutSeconds: number;
  /** Goes into POD_NAMESPACE, which overrides the namespace of the pod's service account. */
  readonly namespace?: string | undefined;
  /** Whether the pod is to tell the versions of its tools. */
  readonly tools?: boolean;
}

export interface Composed {
  /** The `command` of the run command request: one line of sh. */
  readonly text: string;
  /** The zip that is its `context`, if there is anything to send. */
  readonly context: Uint8Array | undefined;
}

/** One argument of `sh -c` may hold 131,071 bytes (Linux, MAX_ARG_STRLEN); half of it leaves room for whatever wraps the text. */
const TEXT_CAP = 64 * 1024;
/** One word of the command itself meets the same limit when the program is started, wherever the text travels. */
const WORD_CAP = 131_071;
const WORDS_CAP = 1024 * 1024;

/**
 * What is sent to Azure for a command. Words with secrets, newlines or more than 64 KiB travel in the context, as a file that the
 * text reads; stdin likewise. Throws Problem `payload-too-large`, or `request-invalid` for a file's path.
 */
export async function compose({ sent, nonce, timeoutSeconds, namespace, tools }: Launch): Promise<Composed> {
  const words = wordsInPod(sent);
  checkWords(words);
  const program = [
    `set -- ${quoteWords(words)};`,
    settingsOf(nonce, timeoutSeconds),
    ...idOf(sent, nonce),
    `V=${tools ? 1 : ''};`,
    ...(namespace === undefined ? [] : [`POD_NAMESPACE=${quote(namespace)}; export POD_NAMESPACE;`]),
    script,
  ].join(' ');
  const own = sent.stdin === undefined ? [] : [{ path: `${LAUNCHER_FOLDER}/stdin`, bytes: sent.stdin }];
  return pack(program, sent.secret, nonce, sent.files, own);
}

/** Up to this many commands share a pod. */
const MOST_STEPS = 20;

interface StepsLaunch {
  readonly steps: readonly Pick<Launch, 'sent' | 'nonce' | 'timeoutSeconds'>[];
  readonly onError: 'stop' | 'continue';
  readonly namespace?: string | undefined;
  /** Whether the first step that runs is to tell the versions of the pod's tools. */
  readonly tools?: boolean;
}

/** What is sent for several commands in one pod, in order; the files of each lie in a working folder of its own. Throws as compose. */
export async function composeSteps({ steps, onError, namespace, tools }: StepsLaunch): Promise<Composed> {
  const [first] = steps;
  if (!first || steps.length > MOST_STEPS) throw new TypeError(`From one to ${MOST_STEPS} steps`);
  const texts = steps.map(({ sent, nonce, timeoutSeconds }) => {
    const words = wordsInPod(sent);
    checkWords(words);
    return {
      words: quoteWords(words),
      settings: [settingsOf(nonce, timeoutSeconds), ...idOf(sent, nonce)].join(' '),
    };
  });
  const environment = namespace === undefined ? '' : `POD_NAMESPACE=${quote(namespace)}; export POD_NAMESPACE; `;
  const program = `${environment}${stepsScript(texts, onError, tools)}`;
  const own = steps.flatMap(({ sent }, index) => {
    checkUploads(sent.files);
    const at = `${LAUNCHER_FOLDER}/${index}`;
    const files = sent.files.map(({ path, bytes }) => ({ path: `${at}/${path}`, bytes }));
    return sent.stdin === undefined ? files : [...files, { path: `${at}.in`, bytes: sent.stdin }];
  });
  const secret = steps.some(({ sent }) => sent.secret);
  return pack(program, secret, first.nonce, [], own);
}

/** In two halves, so that no frame line stands literally in the text: a pod that prints its own spec prints no frame. */
function settingsOf(nonce: string, timeoutSeconds: number): string {
  if (!/^[0-9a-f]{32}$/.test(nonce)) throw new TypeError('A nonce is 32 hex digits');
  if (!Number.isInteger(timeoutSeconds) || timeoutSeconds < 1)
    throw new TypeError('A time-out is whole seconds, at least 1');
  return `n=${nonce.slice(0, 16)}; n="$n"${nonce.slice(16)}; t=${timeoutSeconds};`;
}

/** Of a program: what it marks as its own. In the text anyway, as the marker. */
const idOf = ({ program }: SentCommand, nonce: string): readonly string[] =>
  program === undefined ? [] : [`${RUN_ID}=${markerOf(nonce)}; export ${RUN_ID};`];

/**
 * The word by which a pod is recognised by its spec: it tells nothing of the nonce. Whatever is found by it has to prove itself by the
 * nonce in its frames, since anybody who may create pods may write this word.
 */
export const markerOf = (nonce: string): string => createHash('sha256').update(nonce).digest('hex').slice(0, 16);

async function pack(
  program: string,
  secret: boolean,
  nonce: string,
  uploads: readonly SentFile[],
  own: readonly SentFile[],
): Promise<Composed> {
  const text = `: ${markerOf(nonce)}; ${program}`;
  const hidden = secret || Buffer.byteLength(text) > TEXT_CAP || !survives(text);
  const run = hidden ? [{ path: `${LAUNCHER_FOLDER}/run`, bytes: Buffer.from(`${program}\n`) }] : [];
  const files = [...run, ...own];
  return {
    text: hidden ? `: ${markerOf(nonce)}; . ./${LAUNCHER_FOLDER}/run` : text,
    context: files.length + uploads.length === 0 ? undefined : await zipContext(uploads, files),
  };
}

/** Whether a text comes through a container's args unchanged: one line, and nothing that Kubernetes expands. */
const survives = (text: string): boolean => !/[\n\r]|\$[$(]/.test(text);

function checkWords(words: readonly string[]): void {
  let bytes = 0;
  for (const word of words) {
    const length = Buffer.byteLength(word);
    bytes += length + 1;
    if (length >= WORD_CAP)
      throw new Problem(
        'payload-too-large',
        `A word of the command holds ${length} bytes; Linux takes at most ${WORD_CAP - 1}.`,
      );
  }
  if (bytes > WORDS_CAP)
    throw new Problem(
      'payload-too-large',
      `The words of the command hold ${bytes} bytes; at most ${WORDS_CAP} can be sent.`,
    );
}
