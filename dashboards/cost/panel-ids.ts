export const COST_UID = 'tachograph-cost';
/** Panels that alert rules point to. */
export const COST_PANELS = { budgets: 16 } as const;
