import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  type DashboardLink,
  DashboardLinkBuilder,
  DashboardLinkType,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { type Band, placed } from './layout.ts';
import { variablesOf } from './variables.ts';

/** What a dashboard is made for. */
export interface DashboardSettings {
  /** Address of the console as a reader's browser sees it, without a slash at the end. */
  readonly publicUrl: string;
}

/** A dashboard: who it is, and its panels from top to bottom. */
export interface DashboardSpec {
  /** At most 40 characters; also the name of its file. Never changes: links and alert rules name it. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  /** Time shown at first, Grafana's notation. */
  readonly from: string;
  readonly bands: readonly Band[];
}

const TAG = 'tachograph';

/** The dashboard as Grafana stores it. Pure: the same spec and settings give the same object. */
export const buildDashboard = (spec: DashboardSpec, settings: DashboardSettings): Dashboard => {
  const builder = new DashboardBuilder(spec.title)
    .uid(spec.uid)
    .description(spec.description)
    .tags([TAG])
    .timezone('browser')
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: spec.from, to: 'now' })
    .refresh('1m')
    .link(
      new DashboardLinkBuilder('Tachograph')
        .type(DashboardLinkType.Dashboards)
        .icon('dashboard')
        .tooltip('The other dashboards, with the same time and choice')
        .tags([TAG])
        .asDropdown(false)
        .includeVars(true)
        .keepTime(true),
    )
    .link(
      new DashboardLinkBuilder('Console')
        .type(DashboardLinkType.Link)
        .icon('external link')
        .tooltip('Runs, step by step')
        .url('${console_url}/')
        .targetBlank(true),
    );
  for (const variable of variablesOf(settings.publicUrl)) builder.withVariable(variable);
  for (const panel of placed(spec.bands)) builder.withPanel(panel);
  const built = builder.build();
  return { ...built, links: (built.links ?? []).map(shownInline) };
};

/** The SDK hides links in a menu by default; these two are what a reader looks for next. */
const shownInline = ({ placement: _, ...link }: DashboardLink): DashboardLink => link;
