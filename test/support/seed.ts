/** Where property tests begin to draw: the same each run, so that a failure can be repeated. AKSGW_SEED draws others. */
export const seed = Number(process.env['AKSGW_SEED'] ?? 20_261_128);
