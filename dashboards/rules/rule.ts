import { QueryBuilder, type Rule, RuleBuilder, RuleGroupBuilder } from '@grafana/grafana-foundation-sdk/alerting';
import { TypeReduceBuilder, TypeThresholdBuilder } from '@grafana/grafana-foundation-sdk/expr';
import { clickHouse, DATA_SOURCE_UID, PLUGIN } from '../parts/target.ts';

/** One alert rule: what it asks, when it fires, and what a person woken by it does. */
export interface RuleSpec {
  /** At most 40 characters; also its anchor in docs/runbook.md. Never changes. */
  readonly uid: string;
  readonly title: string;
  /** `critical` wakes somebody; `warning` waits for the morning. A label, for routing. */
  readonly severity: 'critical' | 'warning';
  /** A table with exactly one number; its strings become labels, and must not be called `severity`. */
  readonly sql: string;
  /** The time `$__timeFilter…` covers, seconds back from now. */
  readonly rangeSeconds: number;
  /** Fires when the number is above this … */
  readonly above: number;
  /** … for this long, seconds. */
  readonly forSeconds: number;
  /** What no rows mean. */
  readonly noData: 'OK' | 'Alerting';
  /** One line of a notification. Labels as `{{ index .Labels "service" }}`: a dollar sign would be expanded. */
  readonly summary: string;
  readonly meaning: string;
  readonly look: readonly string[];
  readonly act: readonly string[];
  readonly panel: { readonly dashboard: string; readonly id: number };
}

/** Rules that are looked at together, once a minute. */
export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly RuleSpec[];
}

/** Folder of dashboards and rules alike. */
export const FOLDER = 'Tachograph';
const EVALUATED_EVERY_SECONDS = 60;
const EXPRESSIONS = { type: '__expr__', uid: '__expr__' } as const;
const RULE_FILE_INTERVAL_MS = 60_000;

/** Query → one number per label set → above the threshold? The chain that Grafana's expression engine takes. */
const built = (spec: RuleSpec): Rule => {
  const range = { from: spec.rangeSeconds, to: 0 };
  const source = { type: PLUGIN, uid: DATA_SOURCE_UID };
  return (
    new RuleBuilder(spec.title)
      .uid(spec.uid)
      .condition('C')
      .withQuery(
        new QueryBuilder('A')
          .datasourceUid(DATA_SOURCE_UID)
          .relativeTimeRange(range)
          .model(clickHouse('table', spec.sql, { source, intervalMs: RULE_FILE_INTERVAL_MS })),
      )
      .withQuery(
        new QueryBuilder('B')
          .datasourceUid(EXPRESSIONS.uid)
          .relativeTimeRange(range)
          .model(
            // Numbers pass through a reduction unchanged; `dropNN` leaves out what is no number.
            new TypeReduceBuilder()
              .refId('B')
              .datasource(EXPRESSIONS)
              .expression('A')
              .reducer('sum')
              .settings({ mode: 'dropNN' }),
          ),
      )
      .withQuery(
        new QueryBuilder('C')
          .datasourceUid(EXPRESSIONS.uid)
          .relativeTimeRange(range)
          .model(
            new TypeThresholdBuilder()
              .refId('C')
              .datasource(EXPRESSIONS)
              .expression('B')
              .conditions([{ evaluator: { type: 'gt', params: [spec.above] } }]),
          ),
      )
      .forDuration(`${spec.forSeconds}s`)
      .noDataState(spec.noData)
      // A store that does not answer is an alert of its own, told by Grafana as an error of the rule.
      .execErrState('Error')
      .labels({ severity: spec.severity, source: 'tachograph' })
      .annotations({
        summary: spec.summary,
        description: spec.meaning,
        runbook: `docs/runbook.md#${spec.uid}`,
        look: spec.look.join(' '),
        act: spec.act.join(' '),
      })
      .build()
  );
};

/** A group as the HTTP API takes it: the SDK knows this form; the file form is derived from it. */
const builtGroup = (group: RuleGroup) => {
  const builder = new RuleGroupBuilder(group.name).interval(EVALUATED_EVERY_SECONDS);
  for (const spec of group.rules) builder.withRule({ build: () => built(spec) });
  return builder.build();
};

/** A rule as `provisioning/alerting/*.yaml` holds it. Unknown keys would be ignored silently: only these are written. */
export interface FileRule {
  readonly uid: string;
  readonly title: string;
  readonly condition: string;
  readonly data: readonly unknown[];
  readonly for: string;
  readonly noDataState: string;
  readonly execErrState: string;
  readonly dashboardUid: string;
  readonly panelId: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly isPaused: boolean;
}

export interface FileGroup {
  readonly orgId: number;
  readonly name: string;
  readonly folder: string;
  readonly interval: string;
  readonly rules: readonly FileRule[];
}

/** The group in the form of a provisioning file. */
export const fileGroupOf = (group: RuleGroup): FileGroup => {
  const { title, interval, rules } = builtGroup(group);
  return {
    orgId: 1,
    name: title ?? group.name,
    folder: FOLDER,
    interval: `${interval ?? EVALUATED_EVERY_SECONDS}s`,
    rules: (rules ?? []).map((rule, at) => fileRuleOf(rule, group.rules[at])),
  };
};

const fileRuleOf = (rule: Rule, spec: RuleSpec | undefined): FileRule => ({
  uid: rule.uid ?? '',
  title: rule.title,
  condition: rule.condition,
  data: rule.data,
  for: rule.for,
  noDataState: rule.noDataState,
  execErrState: rule.execErrState,
  dashboardUid: spec?.panel.dashboard ?? '',
  panelId: spec?.panel.id ?? 0,
  annotations: rule.annotations ?? {},
  labels: rule.labels ?? {},
  isPaused: false,
});
