/** What a step read or wrote, as its facts `touch.0`, `touch.1` … tell it. */
export interface StepTouch {
  readonly way: 'reads' | 'writes';
  readonly kind: 'dataset' | 'host' | 'file';
  /** Where a data set stands, as OpenLineage names it (`postgres://db:5432`); null: not told, or no data set. */
  readonly namespace: string | null;
  readonly name: string;
  /** Which statement of the step: what one statement reads goes into what it writes. */
  readonly statement: number;
  /**
   * 'sql_unparsed': no grammar took the statement, this was read by its words, or is all that was told besides.
   * 'from_arguments': the arguments of a tool name it, not whoever carried it out.
   */
  readonly flags: readonly TouchFlag[];
  readonly operation: string | null;
  readonly columns: readonly string[];
}

export const TOUCH_FLAGS = ['sql_unparsed', 'from_arguments'] as const;
export type TouchFlag = (typeof TOUCH_FLAGS)[number];

/** Things one step is told to touch; a statement over more of them is a report over a whole warehouse. */
export const TOUCHES_MAX = 64;
/** A fact holds 1024 bytes; what is cut of one is its columns first. */
const TOUCH_BYTES_MAX = 1000;
const PREFIX = 'touch.';
const MORE = `${PREFIX}more`;

/** Facts of what a step touched; beyond the number kept one says that there was more. */
export const touchFacts = (touches: readonly StepTouch[]): Readonly<Record<string, string>> => {
  const facts: Record<string, string> = {};
  for (const [at, touch] of touches.slice(0, TOUCHES_MAX).entries()) facts[`${PREFIX}${at}`] = fitted(touch);
  if (touches.length > TOUCHES_MAX) facts[MORE] = String(touches.length - TOUCHES_MAX);
  return facts;
};

const textOf = ({ way, kind, namespace, name, statement, flags, operation, columns }: StepTouch): string =>
  JSON.stringify([way, kind, namespace, name, statement, flags, operation, columns]);

const fitted = (touch: StepTouch): string => {
  let fits = touch;
  for (let text = textOf(fits); ; text = textOf(fits)) {
    if (Buffer.byteLength(text) <= TOUCH_BYTES_MAX) return text;
    fits =
      fits.columns.length > 0
        ? { ...fits, columns: fits.columns.slice(0, Math.floor(fits.columns.length / 2)) }
        : { ...fits, name: halved(fits.name), namespace: fits.namespace === null ? null : halved(fits.namespace) };
  }
};
const halved = (text: string): string => text.slice(0, Math.ceil(text.length * 0.8)).toWellFormed();

/** What the facts of a step say it touched; `isCut`: there was more, or something that cannot be read. */
export const touchesIn = (
  facts: Readonly<Record<string, string>>,
): { readonly touches: readonly StepTouch[]; readonly isCut: boolean } => {
  const touches: StepTouch[] = [];
  let isCut = MORE in facts;
  for (let at = 0; at < TOUCHES_MAX; at += 1) {
    const text = facts[`${PREFIX}${at}`];
    if (text === undefined) break;
    const touch = touchOf(text);
    if (touch === null) isCut = true;
    else touches.push(touch);
  }
  return { touches, isCut };
};

const KINDS = ['dataset', 'host', 'file'] as const;
const WAYS = ['reads', 'writes'] as const;

/** null for what `touchFacts` did not write: whoever may write to the topic can send anything. */
const touchOf = (text: string): StepTouch | null => {
  const parts = parsed(text);
  const [way, kind, namespace, name, statement, flags, operation, columns] = parts;
  const knownWay = WAYS.find((known) => known === way);
  const knownKind = KINDS.find((known) => known === kind);
  if (knownWay === undefined || knownKind === undefined || typeof name !== 'string' || name.trim() === '') return null;
  return {
    way: knownWay,
    kind: knownKind,
    namespace: typeof namespace === 'string' && namespace !== '' ? namespace : null,
    name,
    statement: typeof statement === 'number' && Number.isSafeInteger(statement) ? statement : 0,
    flags: TOUCH_FLAGS.filter((flag) => textsOf(flags).includes(flag)),
    operation: typeof operation === 'string' ? operation : null,
    columns: textsOf(columns),
  };
};

const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];

const parsed = (text: string): readonly unknown[] => {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
};

/** Short hashes of values: what a step gave (`prints.out`) and took (`prints.in`), `,` between. */
export const PRINT_FACTS = { out: 'prints.out', in: 'prints.in' } as const;
/** As many as fit one fact. */
export const PRINTS_MAX = 78;

/** The prints under a fact. */
export const printsIn = (facts: Readonly<Record<string, string>>, way: 'in' | 'out'): readonly string[] =>
  (facts[PRINT_FACTS[way]] ?? '').split(',', PRINTS_MAX).filter((print) => /^[0-9a-f]{12}$/.test(print));
