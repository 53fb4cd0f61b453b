/** Columns of an export; more is no table. */
const COLUMNS_MAX = 512;
/** Lines of an export: a year of days, models and accounts. */
const LINES_MAX = 1_000_000;

/** One row after the header, by column name, with the line it begins on. */
export interface CsvRow {
  readonly line: number;
  readonly cells: ReadonlyMap<string, string>;
}

export type CsvRead =
  | { readonly kind: 'ok'; readonly columns: readonly string[]; readonly rows: readonly CsvRow[] }
  | { readonly kind: 'wrong'; readonly line: number; readonly problem: string };

interface Field {
  readonly text: string;
  /** Where the next field begins. */
  readonly next: number;
  readonly isLast: boolean;
  readonly problem: string | null;
}

/**
 * Reads CSV as RFC 4180 has it, strictly: a header, as many fields in every row, quotes only around whole fields; CRLF or
 * LF. Anything else is refused with its line: half a column shifted is money in the wrong place.
 */
export const readCsv = (text: string): CsvRead => {
  const records: CsvRecord[] = [];
  let at = text.startsWith('\ufeff') ? 1 : 0;
  let line = 1;
  while (at < text.length) {
    const record = readRecord(text, at);
    if (record.problem !== null) return { kind: 'wrong', line, problem: record.problem };
    if (record.fields.length > 1 || record.fields[0] !== '') records.push({ line, fields: record.fields });
    if (records.length > LINES_MAX) return { kind: 'wrong', line, problem: `more than ${LINES_MAX} lines` };
    line += text.slice(at, record.next).split('\n').length - 1;
    at = record.next;
  }
  return tableOf(records);
};

interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

const readRecord = (text: string, begin: number) => {
  const fields: string[] = [];
  let at = begin;
  for (;;) {
    const field = readField(text, at);
    at = field.next;
    fields.push(field.text);
    const problem = fields.length > COLUMNS_MAX ? `more than ${COLUMNS_MAX} columns` : field.problem;
    if (field.isLast || problem !== null) return { fields, next: at, problem };
  }
};

const readField = (text: string, at: number): Field => {
  if (text[at] !== '"') {
    const found = /[,\n"]/g;
    found.lastIndex = at;
    const end = found.exec(text)?.index ?? text.length;
    if (text[end] === '"') return fieldOf('', end, true, 'a quote inside a field that does not begin with one');
    return fieldOf(text.slice(at, end).replace(/\r$/, ''), end + 1, text[end] !== ',');
  }
  let end = at + 1;
  for (;;) {
    end = text.indexOf('"', end);
    if (end < 0) return fieldOf('', text.length, true, 'a quote that is never closed');
    if (text[end + 1] !== '"') break;
    end += 2;
  }
  const inner = text.slice(at + 1, end).replaceAll('""', '"');
  const rest = /^(,|\r?\n|$)/.exec(text.slice(end + 1, end + 3));
  if (rest === null) return fieldOf('', end, true, 'text after a closing quote');
  return fieldOf(inner, end + 1 + (rest[0].length || 1), rest[0] !== ',');
};

const fieldOf = (text: string, next: number, isLast: boolean, problem: string | null = null): Field => ({
  ...{ text, next, isLast, problem },
});

const tableOf = (records: readonly CsvRecord[]): CsvRead => {
  const [header, ...rows] = records;
  if (header === undefined) return { kind: 'wrong', line: 1, problem: 'no header' };
  const columns = header.fields.map((name) => name.trim());
  if (new Set(columns).size !== columns.length) return { kind: 'wrong', line: 1, problem: 'two columns of one name' };
  const odd = rows.find(({ fields }) => fields.length !== columns.length);
  if (odd !== undefined)
    return {
      kind: 'wrong',
      line: odd.line,
      problem: `${odd.fields.length} fields where the header has ${columns.length}`,
    };
  return {
    kind: 'ok',
    columns,
    rows: rows.map(({ line, fields }) => ({
      line,
      cells: new Map(columns.map((name, at) => [name, (fields[at] ?? '').trim()])),
    })),
  };
};
