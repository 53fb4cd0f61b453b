import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import type { DataSourceRef } from '@grafana/grafana-foundation-sdk/common';

/** The plugin that reads ClickHouse, and the version whose facts the queries keep to. */
export const PLUGIN = 'grafana-clickhouse-datasource';
const PLUGIN_VERSION = '4.20.0';

/** The data source as provisioned. Alert rules name it; panels follow the variable. */
export const DATA_SOURCE_UID = 'tachograph-clickhouse';

/** What panels and variables read from: the data source chosen at the top of the dashboard. */
export const CHOSEN_SOURCE: DataSourceRef = { type: PLUGIN, uid: '${datasource}' };

/** The plugin's numbers for the shape of an answer (sqlutil.FormatQueryOption). */
const FORMATS = { time_series: 0, table: 1 } as const;
export type AnswerShape = keyof typeof FORMATS;

/** A query as the plugin's backend reads it; the SDK has no type for this plugin. */
export interface ClickHouseTarget extends Dataquery {
  readonly refId: string;
  readonly datasource: DataSourceRef;
  readonly editorType: 'sql';
  readonly rawSql: string;
  readonly format: number;
  readonly queryType: 'timeseries' | 'table';
  readonly pluginVersion: string;
  readonly intervalMs?: number;
  readonly maxDataPoints?: number;
}

export interface TargetOptions {
  readonly refId?: string;
  readonly source?: DataSourceRef;
  /** Alert rules have no panel to tell them: the width of `$__timeInterval`. */
  readonly intervalMs?: number;
}

/**
 * A ClickHouse query of a panel or rule. `time_series`: a time column ascending, strings become labels, the rest values.
 * `table`: rows as they come.
 */
export const clickHouse = (
  shape: AnswerShape,
  rawSql: string,
  { refId = 'A', source = CHOSEN_SOURCE, intervalMs }: TargetOptions = {},
): Builder<ClickHouseTarget> => ({
  build: () => ({
    refId,
    datasource: source,
    editorType: 'sql',
    rawSql,
    format: FORMATS[shape],
    queryType: shape === 'table' ? 'table' : 'timeseries',
    pluginVersion: PLUGIN_VERSION,
    ...(intervalMs === undefined ? {} : { intervalMs, maxDataPoints: 43_200 }),
    _implementsDataqueryVariant: () => undefined,
  }),
});
