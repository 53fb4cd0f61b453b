import { askClickHouse } from '../../services/runtime/store/ask.ts';
import type { TestEngine } from '../support/engine.ts';
import { expandMacros, type QueryTime } from './macros.ts';

/** What a field is to Grafana: the converters of the plugin, by the type ClickHouse names. */
export type FieldKind = 'time' | 'number' | 'string' | 'other';

export interface Field {
  readonly name: string;
  readonly type: string;
  readonly kind: FieldKind;
  readonly values: readonly unknown[];
}

export interface Frame {
  readonly fields: readonly Field[];
  readonly rows: number;
}

/** A value chosen for a variable: the list of values, or All, which becomes the custom value for All as it is. */
export type Choice = 'all' | readonly string[];
export type Choices = Readonly<Record<string, Choice>>;
export const EVERYTHING: Choices = { tenant: 'all', service: 'all', agent: 'all' };

const ALL_VALUE = `'*'`;

/** Replaces `${name:singlequote}` as Grafana does: a custom value for All is not formatted, others are quoted. */
export const interpolate = (text: string, choices: Choices): string =>
  text.replace(/\$\{(\w+)(?::(\w+))?\}/g, (whole, name: string, format: string | undefined) => {
    const choice = choices[name];
    if (choice === undefined) throw new Error(`no value for the variable ${whole}`);
    if (choice === 'all') return ALL_VALUE;
    if (format !== 'singlequote') throw new Error(`${whole} is not quoted`);
    return choice.map((value) => `'${value.replace(/'/g, "\\'")}'`).join(',');
  });

/** Sends the query of a target to the real engine as the plugin would; throws the engine's own error. */
export const ask = async (
  engine: TestEngine,
  rawSql: string,
  time: QueryTime,
  choices: Choices = EVERYTHING,
): Promise<Frame> => {
  const sql = expandMacros(interpolate(rawSql, choices), time);
  const answer = await askClickHouse({ ...engine, database: 'tacho' }, sql, 'JSON');
  const text = Buffer.from(answer.bytes).toString('utf8');
  if (answer.isError) throw new Error(`${answer.text}\n${sql}`);
  const { meta, data } = JSON.parse(text) as {
    readonly meta: readonly { readonly name: string; readonly type: string }[];
    readonly data: readonly Readonly<Record<string, unknown>>[];
  };
  return {
    rows: data.length,
    fields: meta.map(({ name, type }) => {
      const kind = kindOf(type);
      return {
        name,
        type,
        kind,
        values: data.map((row) => (kind === 'number' && row[name] !== null ? Number(row[name]) : row[name])),
      };
    }),
  };
};

const kindOf = (type: string): FieldKind => {
  const inner = /^(?:LowCardinality|Nullable)\((.*)\)$/.exec(type)?.[1];
  if (inner !== undefined) return kindOf(inner);
  if (/^(DateTime|DateTime64|Date)\b/.test(type)) return 'time';
  if (/^(U?Int(8|16|32|64)|Float(32|64)|Decimal)\b/.test(type)) return 'number';
  return type === 'String' ? 'string' : 'other';
};

/** The field of a kind; throws when there is not exactly one. */
export const onlyField = (frame: Frame, kind: FieldKind): Field => {
  const found = frame.fields.filter((field) => field.kind === kind);
  const [field] = found;
  if (field === undefined || found.length > 1) throw new Error(`${found.length} fields of kind ${kind}`);
  return field;
};

/** ClickHouse's text for a time, as milliseconds since 1970. */
export const msOf = (value: unknown): number => Date.parse(`${String(value).replace(' ', 'T')}Z`);
