import fillCompileCache from './compile-cache.js';
import makeTemporaryFolder from './temporary-folder.js';

/** Before the first test of a run. */
export default function setUp() {
  fillCompileCache();
  makeTemporaryFolder();
}
