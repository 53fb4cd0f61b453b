export const OVERVIEW_UID = 'tachograph-overview';
/** Panels that alert rules point to. */
export const OVERVIEW_PANELS = {
  freshness: 8,
  violations: 15,
  freshnessOverTime: 18,
  deadLetters: 19,
  audit: 20,
} as const;
