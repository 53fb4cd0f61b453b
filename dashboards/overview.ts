import { answer } from './overview/answer.ts';
import { pipeline, runs, trouble } from './overview/health.ts';
import { OVERVIEW_UID } from './overview/panel-ids.ts';
import { money, who, work } from './overview/work.ts';
import type { DashboardSpec } from './parts/dashboard.ts';

/** What broke, since when, whose, and what it burns. */
export const overview: DashboardSpec = {
  uid: OVERVIEW_UID,
  title: 'Tachograph: overview',
  description: 'What agents do and cost right now, what broke, and whether the record itself is whole.',
  from: 'now-24h',
  bands: [
    { height: 4, panels: answer },
    { height: 9, panels: money },
    { height: 8, panels: work },
    { height: 9, panels: who },
    { height: 8, panels: trouble },
    { height: 8, panels: pipeline },
    { height: 9, panels: runs },
  ],
};
