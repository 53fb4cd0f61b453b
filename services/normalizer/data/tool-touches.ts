import type { StepTouch } from '../../../schemas/step-touch.ts';
import type { Json } from '../json.ts';
import { GENERIC_SQL } from '../sql/dialect.ts';
import { sqlTouches } from './database-touches.ts';
import { hostOfUrl } from './network-touches.ts';

/** What a tool does with what its arguments name, by the schemas its makers publish. */
interface ToolShape {
  readonly reads?: readonly string[];
  readonly writes?: readonly string[];
  /** Arguments that hold a URL which is fetched. */
  readonly fetches?: readonly string[];
}

const PATH = ['file_path', 'path', 'absolute_path', 'filePath', 'notebook_path', 'target_file', 'filename'] as const;
const READ: ToolShape = { reads: [...PATH, 'paths', 'file_paths'] };
const WRITE: ToolShape = { writes: PATH };
const EDIT: ToolShape = { reads: PATH, writes: PATH };
const FETCH: ToolShape = { fetches: ['url', 'urls', 'uri'] };

/**
 * Names in lower case without `_` and `-`. Claude Code (Read, Write, Edit, MultiEdit, NotebookEdit, WebFetch), Gemini CLI
 * (read_file, write_file, replace, read_many_files, web_fetch), the file system server of MCP (read_text_file,
 * read_multiple_files, edit_file, move_file …), Copilot and Cursor (create_file, insert_edit_into_file, delete_file …).
 */
const SHAPES: ReadonlyMap<string, ToolShape> = new Map([
  ...[
    'read',
    'readfile',
    'readtextfile',
    'readmediafile',
    'readmultiplefiles',
    'readmanyfiles',
    'viewfile',
    'view',
    'openfile',
    'notebookread',
  ].map((name) => [name, READ] as const),
  ...['write', 'writefile', 'createfile', 'savefile', 'create', 'writetofile', 'deletefile'].map(
    (name) => [name, WRITE] as const,
  ),
  ...[
    'edit',
    'multiedit',
    'editfile',
    'replace',
    'notebookedit',
    'strreplace',
    'replacestringinfile',
    'inserteditintofile',
    'searchreplace',
    'applydiff',
    'replaceinfile',
  ].map((name) => [name, EDIT] as const),
  ...['webfetch', 'fetch', 'fetchurl', 'fetchwebpage', 'readurl', 'browsernavigate', 'openurl'].map(
    (name) => [name, FETCH] as const,
  ),
  ['movefile', { reads: ['source'], writes: ['destination'] }],
  ['copyfile', { reads: ['source'], writes: ['destination'] }],
]);
/** Anthropic's text editor: one tool, the command says what it does. */
const EDITORS = new Set(['strreplacebasededittool', 'strreplaceeditor', 'texteditor']);
const EDITOR_COMMANDS: ReadonlyMap<string, ToolShape> = new Map([
  ['view', READ],
  ['create', WRITE],
  ['str_replace', EDIT],
  ['insert', EDIT],
  ['undo_edit', EDIT],
]);

/** Paths believed of one argument. */
const PATHS_MAX = 64;
/** A path is no text: longer ones are contents in the wrong place. */
const PATH_CHARS_MAX = 1024;

/** What the arguments of a tool name: files, pages, and tables of SQL. */
export const toolTouches = (toolName: string | undefined, args: Json | undefined): readonly StepTouch[] => {
  if (args === undefined || args === null) return [];
  const name = plainName(toolName ?? '');
  if (name === 'applypatch') return patchTouches(args);
  if (typeof args !== 'object' || Array.isArray(args)) return [];
  const map = args as Readonly<Record<string, Json>>;
  const shape = EDITORS.has(name) ? EDITOR_COMMANDS.get(String(map['command'] ?? '')) : SHAPES.get(name);
  return shape === undefined ? queryTouches(map) : shapedTouches(shape, map);
};

/** `mcp__files__read_file`, `files.read_file` and `ReadFile` are one. */
const plainName = (name: string): string => {
  const last = name.split(/__|[./:]/).at(-1) ?? '';
  return last.toLowerCase().replaceAll(/[_-]/g, '');
};

const fileTouch = (way: StepTouch['way'], path: string): StepTouch => ({
  way,
  kind: 'file',
  namespace: null,
  name: path,
  statement: 0,
  flags: [],
  operation: null,
  columns: [],
});

const textsAt = (map: Readonly<Record<string, Json>>, keys: readonly string[]): readonly string[] =>
  keys
    .flatMap((key) => map[key] ?? [])
    .filter((value): value is string => typeof value === 'string' && value.trim() !== '')
    .filter((value) => value.length <= PATH_CHARS_MAX && !value.includes('\n'))
    .slice(0, PATHS_MAX);

const shapedTouches = (shape: ToolShape, map: Readonly<Record<string, Json>>): readonly StepTouch[] => [
  ...textsAt(map, shape.reads ?? []).map((path) => fileTouch('reads', path)),
  ...textsAt(map, shape.writes ?? []).map((path) => fileTouch('writes', path)),
  ...textsAt(map, shape.fetches ?? []).flatMap((url) => {
    const host = hostOfUrl(url);
    return host === undefined ? [] : [{ ...fileTouch('reads', host), kind: 'host' as const, operation: 'GET' }];
  }),
];

/** Codex: `*** Update File: src/a.ts` … in the patch, whatever it is wrapped in. */
const patchTouches = (args: Json): readonly StepTouch[] => {
  const text = (typeof args === 'string' ? args : JSON.stringify(args)).slice(0, PATCH_CHARS_MAX);
  const lines = text.matchAll(/\*\*\* (Add|Update|Delete) File: ([^\n\\"]{1,1024})/g);
  return [...lines].slice(0, PATHS_MAX).flatMap(([, what, path], statement) => {
    const file = { ...fileTouch('writes', (path ?? '').trim()), statement };
    return what === 'Update' ? [{ ...file, way: 'reads' as const }, file] : [file];
  });
};
const PATCH_CHARS_MAX = 1024 * 1024;

const QUERY_KEYS = ['sql', 'query', 'statement', 'sql_query', 'sqlQuery', 'sql_statement', 'command'] as const;
const BEGINS_LIKE_SQL =
  /^\s*(?:(?:--[^\n]*\n|\/\*(?:[^*]|\*(?!\/))*\*\/)\s*)*(?:select|insert|with|update|delete|merge|create|replace|truncate|drop|alter)\s/i;

/**
 * A tool that is given SQL: nothing says of which database, so the names stay as they are written, and what the client
 * of the database tells counts for more. Only what parses is believed: a search for «delete my account» is no SQL.
 */
const queryTouches = (map: Readonly<Record<string, Json>>): readonly StepTouch[] => {
  for (const key of QUERY_KEYS) {
    const text = map[key];
    if (typeof text !== 'string' || !BEGINS_LIKE_SQL.test(text)) continue;
    const { touches, isUnparsed } = sqlTouches(text, NOWHERE, GENERIC_SQL);
    if (isUnparsed && !/sql|statement/i.test(key)) continue;
    return touches.map((touch) => ({ ...touch, namespace: null, flags: [...touch.flags, 'from_arguments' as const] }));
  }
  return [];
};
const NOWHERE = { system: 'other_sql', host: undefined, port: undefined, database: undefined };
