/** What the reader chose at the top of a dashboard, as conditions. */

/** What `All` becomes. No tenant may be called so; a custom value for All reaches the query unformatted. */
export const ALL_VALUE = `'*'`;
/** Shown for what no emitter told. A row without an agent belongs to All, and can be chosen by this. */
export const NOT_TOLD = '(not told)';

const chosen = (variable: string): string => `\${${variable}:singlequote}`;

/**
 * A column as an option of a variable, and as a label. Names come from senders: without backslashes Grafana's
 * `singlequote` escapes all that is left, so a hostile name cannot leave its quotes.
 */
export const optionOf = (column: string): string =>
  `replaceAll(CAST(coalesce(nullIf(toString(${column}), ''), '${NOT_TOLD}'), 'String'), '\\\\', '/')`;

/** Rows whose column is one of the values chosen for the variable; all rows, NULL too, for All. */
const isChosen = (variable: string, column: string): string =>
  `('*' IN (${chosen(variable)}) OR ${optionOf(column)} IN (${chosen(variable)}))`;

/** The bare column: tenants are names of ours, and tables are ordered by them. */
const isTenant = (letter: string): string =>
  `('*' IN (${chosen('tenant')}) OR ${letter}.tenant_id IN (${chosen('tenant')}))`;

/** The chosen tenants, services and agents, for a table that has one agent a row. */
export const scopeOf = (letter: string): readonly string[] => [
  isTenant(letter),
  isChosen('service', `${letter}.service`),
  isChosen('agent', `${letter}.agent_name`),
];

/** The chosen tenants only: for tables that know no service or agent. */
export const tenantScope = (letter: string): readonly string[] => [isTenant(letter)];

/** Runs: an agent is chosen when it took any part in the run. */
export const RUN_SCOPE: readonly string[] = [
  isTenant('r'),
  isChosen('service', 'r.service'),
  `('*' IN (${chosen('agent')}) OR hasAny(arrayMap(a -> ${optionOf('a')}, if(empty(r.agents), [''], r.agents)), [${chosen('agent')}]))`,
];

/** Within the dashboard's time, to the millisecond: the plain filter drops the last fraction of a second. */
export const within = (column: string): string => `$__timeFilter_ms(${column})`;
/** Runs that were active within the dashboard's time. */
export const RUN_WITHIN = 'r.last_ts >= $__fromTime_ms AND r.first_ts <= $__toTime_ms';
