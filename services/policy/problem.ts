/** One thing wrong in a rule file. Line and column count from 1; 0 = the file as a whole. */
export interface RuleProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** `file:line:column: message`, as editors and people click it. */
export const problemText = ({ file, line, column, message }: RuleProblem): string =>
  line === 0 ? `${file}: ${message}` : `${file}:${line}:${column}: ${message}`;

/** In the order a person reads the files. */
export const sortProblems = (problems: readonly RuleProblem[]): readonly RuleProblem[] =>
  [...problems].sort(
    (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || a.line - b.line || a.column - b.column,
  );
