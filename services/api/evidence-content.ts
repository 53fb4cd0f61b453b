/**
 * What of a violation's evidence was said by or to an agent (arguments of tools, results, messages), and what only says
 * what happened. The former needs the grant `content`, like the content of steps.
 */

/** Stands where a text was, for who may not read it. */
export interface Withheld {
  readonly withheld: 'content';
  /** Characters that stood there. */
  readonly chars: number;
}

export interface EvidenceParts {
  /** The evidence with a `Withheld` in the place of every text of content. */
  readonly evidence: Readonly<Record<string, unknown>>;
  /** How many there are; 0: the evidence holds no content. */
  readonly texts: number;
}

type Json = Readonly<Record<string, unknown>>;

/** Fields of the step (`e.…`) that hold no content, by name or by group. A field that is not listed counts as content. */
const PLAIN_FIELDS: ReadonlySet<string> = new Set(
  `kind name tenant run_id step_id trace_id span_id parent_span_id signal vantage service environment family session_id
  agent_name agent_id agent_version workflow user_id on_behalf_of account status error_type error_message prompt_name
  prompt_version attempt ts duration_ms flags labels facts tool.name tool.call_id tool.arguments_hash tool.result_hash
  tool.schema_hash`.split(/\s+/),
);
const PLAIN_GROUPS: ReadonlySet<string> = new Set(
  'llm pii egress data secret approval control mcp labels facts'.split(' '),
);

/** Whether a field of the step, named without its `e.`, can hold what was said. */
export const isContentField = (path: string): boolean => {
  const dot = path.indexOf('.');
  return !PLAIN_FIELDS.has(path) && !(dot > 0 && PLAIN_GROUPS.has(path.slice(0, dot)));
};

/** Names under which detectors tell contents beside the fields of the step. */
const CONTENT_NAMES: ReadonlySet<string> = new Set(
  `argument arguments args input inputs_text output result results content contents text texts message messages prompt
  completion answer body value values snippet excerpt quote matched_text`.split(/\s+/),
);

const isContentName = (name: string): boolean => {
  const parts = name.toLowerCase().split('.');
  return parts.some((part) => part === 'args' || part === 'arguments') || CONTENT_NAMES.has(parts.at(-1) ?? '');
};

const isContent = (key: string): boolean => (key.startsWith('e.') ? isContentField(key.slice(2)) : isContentName(key));

/** Deeper than any evidence of ours; what is deeper is withheld whole, unread. */
const DEPTH_MAX = 12;

/** Takes content out of evidence. null: it is not in the form of this version, so nobody knows what is content in it. */
export const withoutContent = (text: string): EvidenceParts | null => {
  const evidence = parsed(text);
  if (evidence === null) return null;
  let texts = 0;
  const take = (value: unknown): Withheld => {
    texts += 1;
    return { withheld: 'content', chars: typeof value === 'string' ? value.length : JSON.stringify(value).length };
  };
  const visit = (key: string, value: unknown, depth: number): unknown => {
    if (value === null) return null;
    if (depth > DEPTH_MAX || isContent(key)) return take(value);
    if (Array.isArray(value)) return value.map((item) => visit('', item, depth + 1));
    if (typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, visit(name, inner, depth + 1)]));
  };
  const shown = Object.fromEntries(Object.entries(evidence).map(([name, value]) => [name, visit(name, value, 1)]));
  return { evidence: shown, texts };
};

const parsed = (text: string): Json | null => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null; // Written by another version, or broken.
  }
};
