import type { StoredResults } from '../../shared/admission/stored-results.ts';

/** Room for whatever is printed: for tests of something else. */
export const anyResults: StoredResults = {
  admit: async () => undefined,
  take: async (_owner, bytes) => ({ bytes, counted: Promise.resolve() }),
};
