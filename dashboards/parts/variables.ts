import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  ConstantVariableBuilder,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  VariableHide,
  type VariableModel,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { ALL_VALUE, optionOf, RUN_WITHIN, scopeOf, tenantScope, within } from './scope.ts';
import { type Select, sqlOf } from './select.ts';
import { CHOSEN_SOURCE, PLUGIN } from './target.ts';

/** Options beyond this many are typed by hand: a longer list is no help, and labels come from senders. */
const OPTIONS_MAX = 1000;

const query = (name: string, label: string, description: string, select: Select): Builder<VariableModel> =>
  new QueryVariableBuilder(name)
    .label(label)
    .description(description)
    .datasource(CHOSEN_SOURCE)
    .query(sqlOf(select))
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalCaseInsensitiveAsc)
    .multi(true)
    .includeAll(true)
    .allValue(ALL_VALUE)
    .current({ selected: true, text: ['All'], value: ['$__all'] });

/** Where the console answers: links to runs begin with it. Hidden, and never taken from the address of a dashboard. */
const consoleUrl = (publicUrl: string): Builder<VariableModel> => ({
  build: () => ({
    ...new ConstantVariableBuilder('console_url').label('Console').value(publicUrl).build(),
    hide: VariableHide.HideVariable,
    skipUrlSync: true,
  }),
});

/** The variables of every dashboard, in the order they narrow. `publicUrl`: address of the console, without a slash. */
export const variablesOf = (publicUrl: string): readonly Builder<VariableModel>[] => [
  new DatasourceVariableBuilder('datasource')
    .label('Data source')
    .description('The ClickHouse that Tachograph writes to.')
    .type(PLUGIN),
  query('tenant', 'Tenant', 'Whose agents.', {
    from: 'runs',
    columns: { tenant: 'toString(r.tenant_id)' },
    where: [RUN_WITHIN],
    groupBy: ['tenant'],
    orderBy: 'tenant',
    limit: OPTIONS_MAX,
  }),
  query('service', 'Service', 'The service that reported.', {
    from: 'runs',
    columns: { service: optionOf('r.service') },
    where: [RUN_WITHIN, ...tenantScope('r')],
    groupBy: ['service'],
    orderBy: 'service',
    limit: OPTIONS_MAX,
  }),
  query('agent', 'Agent', 'The agent that made the call or took the step.', {
    from: 'ledger_entries',
    columns: { agent: optionOf('e.agent_name') },
    where: [within('e.ts'), ...scopeOf('e').slice(0, 2)],
    groupBy: ['agent'],
    orderBy: 'agent',
    limit: OPTIONS_MAX,
  }),
  consoleUrl(publicUrl),
];

/** The console's page of the run in this row; the row must show `run` and `tenant`. */
export const RUN_LINK = [
  'Open the run',
  '${console_url}/runs/${__data.fields.run:percentencode}?tenant=${__data.fields.tenant:percentencode}',
] as const;
