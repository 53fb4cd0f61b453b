import type { Finding } from './finding.ts';
import { counted, inScope, NO_STEPS, scoped } from './scope-sql.ts';

/** One name, other weights than before: somebody pulled the tag again. Answers, speed and cost may differ from then on. */
export const weightsChanged: Finding = {
  id: 'weights_changed',
  severity: 'unknown',
  title: 'Other weights under one name',
  effect:
    'Figures of the model before and after are of two models: what it costs and how it answers cannot be compared.',
  fix: 'Name models by digest or by a tag that never moves; where the change was meant, give each digest its own price in config/prices.',
  query: (scope) =>
    scoped(
      scope,
      `SELECT tenant_id, service, family, ${counted('sum(found)', 'calls')}, ${NO_STEPS},
  toNullable(argMax(run_id, last_ts)) AS example_run_id,
  arrayStringConcat(arraySlice(arraySort(groupUniqArray(concat(model, ' ', substring(digest, 1, 19)))), 1, 5), ', ') AS detail
FROM (
  SELECT e.tenant_id AS tenant_id, toString(e.service) AS service, toString(e.family) AS family, ifNull(toString(e.model), '') AS model,
    e.labels['model.digest'] AS digest, sum(e.calls) AS found, max(e.ts) AS last_ts, argMax(e.run_id, e.ts) AS run_id,
    uniqExact(digest) OVER (PARTITION BY tenant_id, service, model) AS digests
  FROM ledger_entries AS e
  WHERE ${inScope(scope, 'e')} AND e.labels['model.digest'] != ''
  GROUP BY tenant_id, service, family, model, digest
  HAVING found > 0
)
WHERE digests > 1
GROUP BY tenant_id, service, family`,
    ),
};
