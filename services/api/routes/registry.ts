import { actionRoutes } from './actions.ts';
import { costRoutes } from './costs.ts';
import { pipelineRoutes } from './pipeline.ts';
import type { Route } from './route.ts';
import { runRoutes } from './runs.ts';
import { sqlRoutes } from './sql.ts';

/** Every route of /api/v1, in the order OpenAPI lists them: what happened, what it cost, how the pipeline does, doors in. */
export const apiRoutes: readonly Route[] = [
  ...runRoutes,
  ...costRoutes,
  ...pipelineRoutes,
  ...sqlRoutes,
  ...actionRoutes,
];
