import type { AgentStep } from '../../schemas/agent-step.ts';
import type { ExpressionProblem } from './cel-profile.ts';
import { type StepField, stepField } from './fields.ts';

/** A title with `{{e.tool.name}}` in it. */
export interface Template {
  readonly fields: readonly string[];
  /** `extra`: values that are no fields of the step, by name. What is unknown reads `(unknown)`. */
  readonly render: (step: AgentStep, extra?: Readonly<Record<string, string>>) => string;
}

/** A title is one line in a list of incidents. */
export const TITLE_CHARS_MAX = 300;
/** One value must not drown the title. */
const VALUE_CHARS_MAX = 120;

/** Line ends and other control characters, and those that turn the direction of what stands around them. */
const UNSEEN = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu;

type Part = { readonly text: string } | { readonly field: StepField } | { readonly extra: string };

/** Parses a template; `extras` are the names it may use besides fields. */
export const parseTemplate = (
  text: string,
  extras: readonly string[],
): { readonly template: Template; readonly problems: readonly ExpressionProblem[] } => {
  const problems: ExpressionProblem[] = [];
  const parts: Part[] = [];
  let at = 0;
  for (const match of text.matchAll(/\{\{\s*([^{}]*?)\s*\}\}/g)) {
    const name = match[1] ?? '';
    const field = stepField(name);
    parts.push({ text: text.slice(at, match.index) });
    if (field?.isContent === true) problems.push({ offset: match.index, message: contentName(name) });
    else if (field !== undefined) parts.push({ field });
    else if (extras.includes(name)) parts.push({ extra: name });
    else problems.push({ offset: match.index, message: unknownName(name, extras) });
    at = match.index + match[0].length;
  }
  const rest = text.slice(at);
  if (/\{\{|\}\}/.test(rest)) problems.push({ offset: at + rest.search(/\{\{|\}\}/), message: 'a {{ without its }}' });
  parts.push({ text: rest });
  const fields = parts.flatMap((part) => ('field' in part ? [`e.${part.field.path}`] : []));
  return { template: { fields, render: (step, extra = {}) => render(parts, step, extra) }, problems };
};

const unknownName = (name: string, extras: readonly string[]): string =>
  `{{${name}}}: a title names fields of the step, such as {{e.tool.name}}${extras.length === 0 ? '' : `, or ${extras.join(', ')}`}`;

const contentName = (name: string): string =>
  `{{${name}}}: titles go to everybody who is told, and this may be read with the grant content only; it stands in the evidence`;

const render = (parts: readonly Part[], step: AgentStep, extra: Readonly<Record<string, string>>): string =>
  parts
    .map((part) => {
      if ('text' in part) return part.text;
      const value = 'field' in part ? part.field.read(step) : extra[part.extra];
      return value === undefined ? '(unknown)' : clip(valueText(value), VALUE_CHARS_MAX);
    })
    .join('')
    .replace(UNSEEN, ' ')
    .slice(0, TITLE_CHARS_MAX)
    .toWellFormed();

/** Cuts a text, and shows that it was cut. */
export const clip = (text: string, max: number): string =>
  text.length <= max ? text : `${text.slice(0, max - 1).toWellFormed()}…`;

/** A value of a field as one text. */
export const valueText = (value: unknown): string => {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
};
