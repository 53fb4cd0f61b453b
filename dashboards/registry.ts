import { cost } from './cost.ts';
import { overview } from './overview.ts';
import type { DashboardSpec } from './parts/dashboard.ts';

/** Every dashboard, in the order a person opens them. */
export const DASHBOARDS: readonly DashboardSpec[] = [
  overview, // on call: what broke, since when, what it burns
  cost, // owner of a budget: who spends what, and how sure that is
];
