/** A file as it is sent. */
export interface Upload {
  readonly path: string;
  readonly contentBase64: string;
}

/** What cannot be sent as it is; the message tells the person what to do. */
export class UploadRefused extends Error {
  override readonly name = 'UploadRefused';
}
