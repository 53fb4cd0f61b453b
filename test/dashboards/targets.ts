import type { Dashboard, Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { DEFAULT_SETTINGS } from '../../dashboards/generate.ts';
import { buildDashboard } from '../../dashboards/parts/dashboard.ts';
import type { ClickHouseTarget } from '../../dashboards/parts/target.ts';
import { DASHBOARDS } from '../../dashboards/registry.ts';

/** Every dashboard, as Grafana would load its file. */
export const dashboards: readonly Dashboard[] = DASHBOARDS.map(
  (spec) => JSON.parse(JSON.stringify(buildDashboard(spec, DEFAULT_SETTINGS))) as Dashboard,
);

/** Panels of a dashboard; rows are not used. */
export const panelsOf = (dashboard: Dashboard): readonly Panel[] =>
  (dashboard.panels ?? []).map((panel) => {
    if (panel.type === 'row') throw new Error('rows are not checked');
    return panel as Panel;
  });

/** ClickHouse targets of a panel. */
export const targetsOf = (panel: Panel): readonly ClickHouseTarget[] =>
  (panel.targets ?? []) as unknown as readonly ClickHouseTarget[];

/** Every panel with where it stands, for `test.each`. */
export const allPanels: readonly (readonly [place: string, dashboard: Dashboard, panel: Panel])[] = dashboards.flatMap(
  (dashboard) =>
    panelsOf(dashboard).map((panel) => [`${dashboard.uid ?? ''} / ${panel.title ?? ''}`, dashboard, panel] as const),
);
