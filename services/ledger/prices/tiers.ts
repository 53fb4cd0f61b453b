/** Tiers every list price stands for. Others cost more or less than listed. */
const LISTED_TIERS: ReadonlySet<string> = new Set([
  'default',
  'standard',
  'standard_only',
  'auto',
  'on_demand',
  'ondemand',
]);

/** Whether a service tier is the one list prices stand for; nobody said is taken as such. */
export const isListedTier = (tier: string | null): boolean => tier === null || LISTED_TIERS.has(tier.toLowerCase());
