/** A refusal in ClickHouse's own terms: what the HTTP interface answers as `Code: N. DB::Exception: …`. */
export class EngineError extends Error {
  /** ClickHouse error code. */
  readonly code: number;
  readonly status: number;
  constructor(code: number, name: string, message: string, options?: { cause?: unknown }) {
    super(`Code: ${code}. DB::Exception: ${message} (${name})`, options);
    this.name = 'EngineError';
    this.code = code;
    this.status = statusOf(code);
  }
}

/** HTTP status by ClickHouse code (HTTPHandler's exceptionCodeToHTTPStatus); everything else is 500. */
const STATUS: ReadonlyMap<number, number> = new Map([
  [194, 401], // REQUIRED_PASSWORD
  [192, 403], // UNKNOWN_USER
  [193, 403], // WRONG_PASSWORD
  [516, 403], // AUTHENTICATION_FAILED
  [497, 403], // ACCESS_DENIED
  [164, 403], // READONLY (500 on a server; a refusal is the caller's fault)
  [47, 404], // UNKNOWN_IDENTIFIER
  [46, 404], // UNKNOWN_FUNCTION
  [60, 404], // UNKNOWN_TABLE
  [63, 404], // UNKNOWN_AGGREGATE_FUNCTION
  [81, 404], // UNKNOWN_DATABASE
  [115, 404], // UNKNOWN_SETTING
  [73, 400], // UNKNOWN_FORMAT
  [50, 404], // UNKNOWN_TYPE
  [6, 400], // CANNOT_PARSE_TEXT
  [26, 400], // CANNOT_PARSE_QUOTED_STRING
  [27, 400], // CANNOT_PARSE_INPUT_ASSERTION_FAILED
  [38, 400], // CANNOT_PARSE_DATE
  [41, 400], // CANNOT_PARSE_DATETIME
  [43, 400], // ILLEGAL_TYPE_OF_ARGUMENT
  [53, 400], // TYPE_MISMATCH
  [62, 400], // SYNTAX_ERROR
  [72, 400], // CANNOT_PARSE_NUMBER
  [117, 400], // INCORRECT_DATA
  [158, 413], // TOO_MANY_ROWS
  [307, 413], // TOO_MANY_BYTES
  [396, 413], // TOO_MANY_ROWS_OR_BYTES
  [159, 408], // TIMEOUT_EXCEEDED
  [202, 503], // TOO_MANY_SIMULTANEOUS_QUERIES
  [456, 400], // UNKNOWN_QUERY_PARAMETER
  [457, 400], // BAD_QUERY_PARAMETER
  [1000, 500], // POCO_EXCEPTION
]);
const statusOf = (code: number): number => STATUS.get(code) ?? 500;

/** The engine's error as its HTTP interface would give it; unknown failures become code 1002 (UNKNOWN_EXCEPTION). */
export const toEngineError = (cause: unknown): EngineError => {
  if (cause instanceof EngineError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const told =
    /^Code: (\d+)\. DB::(?:Net|Error)?(?:Exception|NetException|ErrnoException|ParsingException): ([\s\S]*?)(?: \(([A-Z0-9_]+)\))?\s*$/.exec(
      message,
    );
  if (!told) return new EngineError(codeIn(message), 'UNKNOWN_EXCEPTION', message, { cause });
  return new EngineError(Number(told[1]), told[3] ?? 'UNKNOWN_EXCEPTION', told[2] ?? message, { cause });
};

const codeIn = (message: string): number => Number(/^Code: (\d+)/.exec(message)?.[1] ?? 1002);
