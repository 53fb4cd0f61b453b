import type { AgentStep } from '../../schemas/agent-step.ts';
import { FIELD_GROUPS, STEP_FIELDS, type StepField } from './fields.ts';

/**
 * The step as CEL reads it: `e.tool.name` is a getter that gives undefined for what the emitter did not say, which CEL
 * tells as a missing key, never as a zero. Groups always exist, their fields may not.
 */
class Group {
  readonly step: AgentStep;
  /** Nothing the actor claims about itself counts. */
  readonly isDoubted: boolean;
  constructor(step: AgentStep, isDoubted: boolean) {
    this.step = step;
    this.isDoubted = isDoubted;
  }
}

/** The normalizer cuts texts far shorter; steps of other origin must not make a condition look at megabytes. */
const TEXT_CHARS_MAX = 16_384;

const bounded = (value: unknown): unknown => {
  if (typeof value === 'string') return value.length > TEXT_CHARS_MAX ? value.slice(0, TEXT_CHARS_MAX) : value;
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date) return value;
  const isLong = Object.values(value).some((each) => typeof each === 'string' && each.length > TEXT_CHARS_MAX);
  return isLong ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, bounded(each)])) : value;
};

const defineFields = (target: object, fields: readonly StepField[]): void => {
  for (const field of fields) {
    const name = field.path.slice(field.path.indexOf('.') + 1);
    Object.defineProperty(target, name, {
      get(this: Group): unknown {
        return this.isDoubted && field.isClaim === true ? undefined : bounded(field.read(this.step));
      },
    });
  }
};

type GroupClass = new (step: AgentStep, isDoubted: boolean) => Group;

const groupClass = (group: string): GroupClass => {
  const made = class extends Group {};
  defineFields(
    made.prototype,
    STEP_FIELDS.filter(({ path }) => path.startsWith(`${group}.`)),
  );
  return made;
};

/** Classes of the groups, for the type registry of CEL. */
export const GROUP_CLASSES: ReadonlyMap<string, GroupClass> = new Map(
  FIELD_GROUPS.map((group) => [group, groupClass(group)]),
);

/** What a condition sees as `e`. */
export class StepView extends Group {}
defineFields(
  StepView.prototype,
  STEP_FIELDS.filter(({ path }) => !path.includes('.')),
);
for (const [group, made] of GROUP_CLASSES) {
  Object.defineProperty(StepView.prototype, group, {
    get(this: Group): Group {
      return new made(this.step, this.isDoubted);
    },
  });
}

/** The step as it is. */
export const viewOf = (step: AgentStep): StepView => new StepView(step, false);

/** The step as an excuse: facts an agent tells of itself do not count; another vantage is taken at its word. */
export const excuseViewOf = (step: AgentStep): StepView => new StepView(step, step.vantage === 'agent');
