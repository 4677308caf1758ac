import manifest from '../../package.json' with { type: 'json' };

/** Of the wrapper, which is that of the gateway that it came with. */
export const { version } = manifest;
