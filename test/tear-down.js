/** After the last test of a run: see temporary-folder.js. */
export default () => globalThis.removeTemporaryFolder();
