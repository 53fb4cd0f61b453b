import { actionRoutes } from './actions.ts';
import { budgetRoutes } from './budgets.ts';
import { controlRoutes } from './control.ts';
import { costRoutes } from './costs.ts';
import { criticalPathRoutes } from './critical-path.ts';
import { incidentRoutes } from './incidents.ts';
import { lineageRoutes } from './lineage.ts';
import { lineageDataRoutes } from './lineage-data.ts';
import { openLineageRoutes } from './openlineage.ts';
import { pipelineRoutes } from './pipeline.ts';
import { policyRoutes } from './policies.ts';
import { priceRoutes } from './prices.ts';
import type { Route } from './route.ts';
import { runCallRoutes } from './run-calls.ts';
import { runRoutes } from './runs.ts';
import { sqlRoutes } from './sql.ts';
import { telemetryRoutes } from './telemetry.ts';
import { violationRoutes } from './violations.ts';
import { workflowPathRoutes } from './workflow-path.ts';

/**
 * Every route of /api/v1, in the order OpenAPI lists them: what happened, who met whom, what it cost, which rule it broke and
 * who must know, how the pipeline does, doors in.
 */
export const apiRoutes: readonly Route[] = [
  ...runRoutes,
  ...runCallRoutes,
  ...criticalPathRoutes,
  ...workflowPathRoutes,
  ...lineageRoutes,
  ...lineageDataRoutes,
  ...costRoutes,
  ...priceRoutes,
  ...violationRoutes,
  ...policyRoutes,
  ...incidentRoutes,
  ...budgetRoutes,
  ...pipelineRoutes,
  ...telemetryRoutes,
  ...sqlRoutes,
  ...actionRoutes,
  ...openLineageRoutes,
  ...controlRoutes,
];
