import { Problem } from '../../errors.ts';
import type { SentCommand, SentFile } from '../invocation.ts';
import { quote, quoteWords } from '../quote.ts';
import { LAUNCHER_FOLDER, zipContext } from './context-zip.ts';
import { script } from './script.ts';

interface Launch {
  readonly sent: SentCommand;
  /** 32 hex digits. */
  readonly nonce: string;
  readonly timeoutSeconds: number;
  /** Goes into POD_NAMESPACE, which overrides the namespace of the pod's service account. */
  readonly namespace?: string | undefined;
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
export async function compose({ sent, nonce, timeoutSeconds, namespace }: Launch): Promise<Composed> {
  if (!/^[0-9a-f]{32}$/.test(nonce)) throw new TypeError('A nonce is 32 hex digits');
  if (!Number.isInteger(timeoutSeconds) || timeoutSeconds < 1)
    throw new TypeError('A time-out is whole seconds, at least 1');
  checkWords(sent.words);

  const program = [
    `set -- ${quoteWords(sent.words)};`,
    // In two halves, so that no frame line stands literally in the text: a pod that prints its own spec prints no frame.
    `n=${nonce.slice(0, 16)}; n="$n"${nonce.slice(16)}; t=${timeoutSeconds};`,
    ...(namespace === undefined ? [] : [`POD_NAMESPACE=${quote(namespace)}; export POD_NAMESPACE;`]),
    script,
  ].join(' ');

  const own: SentFile[] = [];
  const hidden = sent.secret || Buffer.byteLength(program) > TEXT_CAP || !survives(program);
  if (hidden) own.push({ path: `${LAUNCHER_FOLDER}/run`, bytes: Buffer.from(`${program}\n`) });
  if (sent.stdin !== undefined) own.push({ path: `${LAUNCHER_FOLDER}/stdin`, bytes: sent.stdin });
  return {
    text: hidden ? `. ./${LAUNCHER_FOLDER}/run` : program,
    context: own.length + sent.files.length === 0 ? undefined : await zipContext(sent.files, own),
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
