import { PanelBuilder as BarGauge } from '@grafana/grafana-foundation-sdk/bargauge';
import {
  BarGaugeDisplayMode,
  BigValueColorMode,
  BigValueGraphMode,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  type DynamicConfigValue,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as Stat } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as Table } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeSeries } from '@grafana/grafana-foundation-sdk/timeseries';
import { byName, byThreshold, COLOUR_OF, type Meaning } from './colours.ts';
import type { Placeable } from './layout.ts';
import { type Select, sqlOf } from './select.ts';
import { CHOSEN_SOURCE, clickHouse } from './target.ts';

/** What every panel says of itself. */
export interface PanelSpec {
  /** Unique in its dashboard, for ever: alert rules and links name it. */
  readonly id: number;
  readonly title: string;
  /** What it shows and how unknown is treated, in a sentence or two. */
  readonly description: string;
  /** A unit of Grafana (`currencyUSD`, `percentunit`, `short`, `s`, …). */
  readonly unit: string;
  readonly width: number;
  readonly query: Select;
}

/** From `null` (everything) upwards; a value takes the colour of the last step it reached. */
export type Steps = readonly Threshold[];
const NEUTRAL: Steps = [{ value: null, color: 'blue' }];

const thresholds = (steps: Steps): ThresholdsConfigBuilder =>
  new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([...steps]);

/** One number. `steps`: its colours. */
export const stat = (spec: PanelSpec & { readonly steps?: Steps; readonly noValue?: string }): Placeable => ({
  width: spec.width,
  at: (place) =>
    new Stat()
      .id(spec.id)
      .title(spec.title)
      .description(spec.description)
      .datasource(CHOSEN_SOURCE)
      .gridPos(place)
      .targets([clickHouse('table', sqlOf(spec.query))])
      .unit(spec.unit)
      .noValue(spec.noValue ?? 'unknown')
      .colorScheme(byThreshold())
      .thresholds(thresholds(spec.steps ?? NEUTRAL))
      .graphMode(BigValueGraphMode.None)
      .colorMode(BigValueColorMode.Value)
      .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull'])),
});

export interface SeriesSpec extends PanelSpec {
  /** The label that names a series; null: the columns do. */
  readonly label: string | null;
  /** Bars on top of each other (sums), or lines (levels). */
  readonly style: 'bars' | 'lines';
  /** Least width of a bucket, Grafana's notation. */
  readonly interval?: string;
  /** Series that mean a state and so have its colour; the others have the colour of their name. */
  readonly meanings?: readonly Meaning[];
}

const STYLES = {
  bars: {
    draw: GraphDrawStyle.Bars,
    opacity: 80,
    line: 0,
    points: VisibilityMode.Never,
    stacking: StackingMode.Normal,
    calc: 'sum',
  },
  lines: {
    draw: GraphDrawStyle.Line,
    opacity: 8,
    line: 2,
    points: VisibilityMode.Auto,
    stacking: StackingMode.None,
    calc: 'lastNotNull',
  },
} as const;

/** Something over time. */
export const series = (spec: SeriesSpec): Placeable => ({
  width: spec.width,
  at: (place) => {
    const style = STYLES[spec.style];
    const panel = new TimeSeries()
      .id(spec.id)
      .title(spec.title)
      .description(spec.description)
      .datasource(CHOSEN_SOURCE)
      .gridPos(place)
      .targets([clickHouse('time_series', sqlOf(spec.query))])
      .unit(spec.unit)
      .min(0)
      .interval(spec.interval ?? '1m')
      .colorScheme(byName())
      .drawStyle(style.draw)
      .fillOpacity(style.opacity)
      .lineWidth(style.line)
      .showPoints(style.points)
      .spanNulls(false)
      .stacking(new StackingConfigBuilder().mode(style.stacking).group('A'))
      .legend(
        new VizLegendOptionsBuilder()
          .displayMode(LegendDisplayMode.Table)
          .placement(LegendPlacement.Right)
          .showLegend(true)
          .calcs([style.calc]),
      )
      .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
    for (const meaning of spec.meanings ?? []) panel.overrideByRegexp(seriesNamed(meaning), [fixedColour(meaning)]);
    return spec.label === null ? panel : panel.displayName(`\${__field.labels.${spec.label}}`);
  },
});

/** Overrides see the name before it is shortened: a labelled series is still called `calls failed`. */
const seriesNamed = (name: string): string => `/(^| )${name.replace(/[()]/g, '\\$&')}$/`;

const fixedColour = (meaning: Meaning): DynamicConfigValue => ({
  id: 'color',
  value: { mode: 'fixed', fixedColor: COLOUR_OF[meaning] },
});

/** How one column of a table is shown: its unit, where a click leads. */
export interface ColumnLook {
  readonly unit?: string;
  /** Title and address; may name fields of the row. */
  readonly link?: readonly [title: string, url: string];
  readonly steps?: Steps;
  readonly width?: number;
}

export interface TableSpec extends PanelSpec {
  readonly columns?: Readonly<Record<string, ColumnLook>>;
}

/** Rows. `unit` is that of numbers without a look of their own. */
export const table = (spec: TableSpec): Placeable => ({
  width: spec.width,
  at: (place) => {
    const panel = new Table()
      .id(spec.id)
      .title(spec.title)
      .description(spec.description)
      .datasource(CHOSEN_SOURCE)
      .gridPos(place)
      .targets([clickHouse('table', sqlOf(spec.query))])
      .unit(spec.unit)
      .noValue('unknown')
      .filterable(true)
      .colorScheme(byThreshold())
      .thresholds(thresholds([{ value: null, color: 'text' }]));
    for (const [name, look] of Object.entries(spec.columns ?? {})) panel.overrideByName(name, lookOf(look));
    return panel;
  },
});

const lookOf = ({ unit, link, steps, width }: ColumnLook): DynamicConfigValue[] => [
  ...(unit === undefined ? [] : [{ id: 'unit', value: unit }]),
  ...(width === undefined ? [] : [{ id: 'custom.width', value: width }]),
  ...(link === undefined
    ? []
    : [{ id: 'links', value: [{ title: link[0], url: link[1], targetBlank: link[1].includes('console_url') }] }]),
  ...(steps === undefined
    ? []
    : [
        { id: 'thresholds', value: { mode: 'absolute', steps } },
        { id: 'custom.cellOptions', value: { type: 'color-text' } },
      ]),
];

/** One bar a row, by share: 1 is the end of the scale. The query gives a name and a number. */
export const bars = (spec: PanelSpec & { readonly steps: Steps }): Placeable => ({
  width: spec.width,
  at: (place) =>
    new BarGauge()
      .id(spec.id)
      .title(spec.title)
      .description(spec.description)
      .datasource(CHOSEN_SOURCE)
      .gridPos(place)
      .targets([clickHouse('table', sqlOf(spec.query))])
      .unit(spec.unit)
      .min(0)
      .max(1)
      .noValue('unknown')
      .colorScheme(byThreshold())
      .thresholds(thresholds(spec.steps))
      .displayMode(BarGaugeDisplayMode.Basic)
      .orientation(VizOrientation.Horizontal)
      .reduceOptions(new ReduceDataOptionsBuilder().values(true).calcs([])),
});
