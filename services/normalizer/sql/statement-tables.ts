/** One part of a name; unquoted ones are folded as the database does. */
export interface NamePart {
  readonly value: string;
  readonly isQuoted: boolean;
}

/** A table as one statement names it. */
export interface TableTouch {
  readonly way: 'reads' | 'writes';
  readonly parts: readonly NamePart[];
  /** insert, update, delete, merge, create, drop, truncate, alter, copy; null: read. */
  readonly operation: string | null;
  /** Columns, as far as the statement lists them plainly. */
  readonly columns: readonly string[];
}

type Tree = Readonly<Record<string, unknown>>;

/** Names of common table expressions in force: they are no tables. */
type Scope = ReadonlySet<string>;

/**
 * The tables of one statement of the tree that datafusion-sqlparser-rs gives. Names of common table expressions and
 * table functions are left out; what stands in subqueries counts. Anything it does not know is walked through.
 */
export const tablesOfStatement = (statement: unknown): readonly TableTouch[] => {
  const found: TableTouch[] = [];
  walk(statement, new Set(), found);
  return found;
};

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);
const treeOf = (value: unknown): Tree => (isTree(value) ? value : {});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const walk = (node: unknown, scope: Scope, found: TableTouch[]): void => {
  if (Array.isArray(node)) {
    for (const each of node) walk(each, scope, found);
    return;
  }
  if (!isTree(node)) return;
  const inner = 'with' in node && 'body' in node ? withNames(treeOf(node['with']), scope, found) : scope;
  for (const [key, value] of Object.entries(node)) {
    if (value === null || typeof value !== 'object' || (key === 'with' && inner !== scope)) continue;
    const read = READERS[key];
    if (read === undefined || !isTree(value) || !read(value, inner, found)) walk(value, inner, found);
  }
};

/** Each expression sees those before it, and itself only where the list is recursive. */
const withNames = (list: Tree, outer: Scope, found: TableTouch[]): Scope => {
  const scope = new Set(outer);
  for (const each of listOf(list['cte_tables'])) {
    const name = String(treeOf(treeOf(treeOf(each)['alias'])['name'])['value'] ?? '').toLowerCase();
    if (list['recursive'] === true) scope.add(name);
    walk(treeOf(each)['query'], new Set(scope), found);
    scope.add(name);
  }
  return scope;
};

/** What is found under a key; false: this key means something else here. */
type Reader = (node: Tree, scope: Scope, found: TableTouch[]) => boolean;

const partsOf = (name: unknown): readonly NamePart[] =>
  listOf(name).flatMap((part) => {
    const { value, quote_style: quote } = treeOf(treeOf(part)['Identifier']);
    return typeof value === 'string' && value !== ''
      ? [{ value, isQuoted: quote !== null && quote !== undefined }]
      : [];
  });

const add = (
  found: TableTouch[],
  touch: Omit<TableTouch, 'columns'> & { readonly columns?: readonly string[] },
): void => {
  if (touch.parts.length > 0) found.push({ columns: [], ...touch });
};

const isCte = (parts: readonly NamePart[], scope: Scope): boolean =>
  parts.length === 1 && scope.has((parts[0]?.value ?? '').toLowerCase());

const readTable: Reader = (node, scope, found) => {
  // `COPY t` names its table in another way than FROM does.
  if ('table_name' in node) return false;
  if (!('name' in node)) return false;
  const parts = partsOf(node['name']);
  const isFunction = node['args'] !== null && node['args'] !== undefined;
  if (!isFunction && !isCte(parts, scope)) add(found, { way: 'reads', parts, operation: null });
  if (isFunction) walk(node['args'], scope, found);
  return true;
};

const readSelect: Reader = (node, scope, found) => {
  const into = partsOf(treeOf(node['into'])['name']);
  add(found, { way: 'writes', parts: into, operation: 'create' });
  const from = listOf(node['from']);
  const only = from.length === 1 && listOf(treeOf(from[0])['joins']).length === 0 ? treeOf(from[0]) : {};
  const table = treeOf(treeOf(only['relation'])['Table']);
  const columns = listOf(node['projection']).flatMap(plainColumn);
  if ('name' in table && columns.length > 0 && !isCte(partsOf(table['name']), scope) && !table['args'])
    add(found, { way: 'reads', parts: partsOf(table['name']), operation: null, columns });
  for (const [key, value] of Object.entries(node)) if (key !== 'into') walk(value, scope, found);
  return true;
};

/** `a` or `t.a` in a list of columns; anything computed is not listed plainly. */
const plainColumn = (item: unknown): readonly string[] => {
  const plain = treeOf(item)['UnnamedExpr'] ?? treeOf(treeOf(item)['ExprWithAlias'])['expr'];
  const name = treeOf(plain)['Identifier'] ?? listOf(treeOf(plain)['CompoundIdentifier']).at(-1);
  const { value } = treeOf(name);
  return typeof value === 'string' ? [value] : [];
};

const readInsert: Reader = (node, scope, found) => {
  if (!('table' in node)) return false;
  const columns = listOf(node['columns']).flatMap((name) =>
    partsOf(name)
      .slice(-1)
      .map(({ value }) => value),
  );
  const parts = partsOf(treeOf(node['table'])['TableName']);
  add(found, { way: 'writes', parts, operation: 'insert', columns: [...columns, ...assigned(node['assignments'])] });
  for (const [key, value] of Object.entries(node)) if (key !== 'table') walk(value, scope, found);
  return true;
};

const assigned = (assignments: unknown): readonly string[] =>
  listOf(assignments).flatMap((each) =>
    partsOf(treeOf(treeOf(each)['target'])['ColumnName'])
      .slice(-1)
      .map(({ value }) => value),
  );

/** Tables of FROM and JOIN in a piece of the tree, with the names they go by there. */
const aliasesIn = (node: unknown, into: Map<string, readonly NamePart[]> = new Map()) => {
  for (const each of listOf(node)) {
    const table = treeOf(treeOf(treeOf(each)['relation'])['Table']);
    const parts = partsOf(table['name']);
    const alias = treeOf(treeOf(table['alias'])['name'])['value'];
    const name = typeof alias === 'string' ? alias : parts.at(-1)?.value;
    if (name !== undefined && parts.length > 0) into.set(name.toLowerCase(), parts);
    aliasesIn(treeOf(each)['joins'], into);
  }
  return into;
};

const key = (parts: readonly NamePart[]): string => parts.map(({ value }) => value.toLowerCase()).join('.');

/** Takes out of what was found since `from` one reading of each table that the statement changes: its place in FROM. */
const forgetReads = (found: TableTouch[], from: number, targets: readonly (readonly NamePart[])[]): void => {
  for (const target of targets) {
    const at = found.findIndex(
      (touch, index) => index >= from && touch.way === 'reads' && key(touch.parts) === key(target),
    );
    if (at >= 0) found.splice(at, 1);
  }
};

/** `UPDATE o SET … FROM orders o`, `UPDATE a JOIN b … SET b.x`: targets may go by other names. */
const readUpdate: Reader = (node, scope, found) => {
  const first = treeOf(treeOf(treeOf(node['table'])['relation'])['Table']);
  if (!('name' in first)) return false;
  const aliases = aliasesIn([node['table']]);
  for (const list of Object.values(treeOf(node['from']))) aliasesIn(list, aliases);
  const named = partsOf(first['name']);
  const resolved = (named.length === 1 ? fromAlias(aliases, named[0]?.value, named) : null) ?? named;
  const qualified = listOf(node['assignments']).flatMap((each) => {
    const target = partsOf(treeOf(treeOf(each)['target'])['ColumnName']);
    const table = target.length > 1 ? aliases.get((target.at(-2)?.value ?? '').toLowerCase()) : undefined;
    return table === undefined ? [] : [table];
  });
  const targets = [
    ...new Map((qualified.length > 0 ? qualified : [resolved]).map((parts) => [key(parts), parts])).values(),
  ];
  for (const parts of targets)
    add(found, { way: 'writes', parts, operation: 'update', columns: assigned(node['assignments']) });
  const from = found.length;
  walk(Object.fromEntries(Object.entries(node).filter(([name]) => name !== 'table')), scope, found);
  walk(treeOf(node['table'])['joins'], scope, found);
  if (key(named) !== key(resolved) || qualified.length > 0) forgetReads(found, from, targets);
  if (qualified.length > 0 && !targets.some((parts) => key(parts) === key(resolved)))
    add(found, { way: 'reads', parts: resolved, operation: null });
  return true;
};

/** The table an alias stands for, unless the alias is the table's own name. */
const fromAlias = (
  aliases: ReadonlyMap<string, readonly NamePart[]>,
  alias: string | undefined,
  named: readonly NamePart[],
): readonly NamePart[] | null => {
  const parts = aliases.get((alias ?? '').toLowerCase());
  return parts === undefined || key(parts) === key(named) ? null : parts;
};

const readDelete: Reader = (node, scope, found) => {
  if (!('from' in node)) return false;
  const lists = Object.values(treeOf(node['from'])).flatMap(listOf);
  const aliases = aliasesIn(lists);
  const named = listOf(node['tables']).map(partsOf);
  const first = partsOf(treeOf(treeOf(treeOf(lists[0])['relation'])['Table'])['name']);
  const targets =
    named.length === 0
      ? [first]
      : named.map((parts) => aliases.get((parts.at(-1)?.value ?? '').toLowerCase()) ?? parts);
  for (const parts of targets) add(found, { way: 'writes', parts, operation: 'delete' });
  const from = found.length;
  walk(lists, scope, found);
  forgetReads(found, from, targets);
  walk([node['using'], node['selection'], node['returning'], node['limit']], scope, found);
  return true;
};

const readMerge: Reader = (node, scope, found) => {
  if (!('source' in node)) return false;
  add(found, { way: 'writes', parts: partsOf(treeOf(treeOf(node['table'])['Table'])['name']), operation: 'merge' });
  walk([node['source'], node['on'], node['clauses']], scope, found);
  return true;
};

const readCreate: Reader = (node, scope, found) => {
  if (!('name' in node)) return false;
  add(found, { way: 'writes', parts: partsOf(node['name']), operation: 'create' });
  add(found, { way: 'reads', parts: partsOf(node['clone']), operation: null });
  for (const like of Object.values(treeOf(node['like'])))
    add(found, { way: 'reads', parts: partsOf(treeOf(like)['name']), operation: null });
  walk(node['query'], scope, found);
  return true;
};

const readDrop: Reader = (node, _scope, found) => {
  const kind = node['object_type'];
  if (kind === 'Table' || kind === 'View' || kind === 'MaterializedView')
    for (const name of listOf(node['names'])) add(found, { way: 'writes', parts: partsOf(name), operation: 'drop' });
  return true;
};

const readTruncate: Reader = (node, _scope, found) => {
  for (const table of listOf(node['table_names']))
    add(found, { way: 'writes', parts: partsOf(treeOf(table)['name']), operation: 'truncate' });
  return true;
};

const readAlter: Reader = (node, _scope, found) => {
  add(found, { way: 'writes', parts: partsOf(node['name']), operation: 'alter' });
  return true;
};

const readCopy: Reader = (node, scope, found) => {
  const parts = partsOf(treeOf(treeOf(node['source'])['Table'])['table_name']);
  const isOut = node['to'] === true;
  add(found, { way: isOut ? 'reads' : 'writes', parts, operation: isOut ? null : 'copy' });
  walk(treeOf(node['source'])['Query'], scope, found);
  return true;
};

const readCopyInto: Reader = (node, scope, found) => {
  if (node['kind'] === 'Table') add(found, { way: 'writes', parts: partsOf(node['into']), operation: 'copy' });
  else add(found, { way: 'reads', parts: partsOf(node['from_obj']), operation: null });
  walk(node['from_query'], scope, found);
  return true;
};

/** A plan reads nothing, unless it is carried out. */
const readExplain: Reader = (node, scope, found) => {
  if (node['analyze'] === true) walk(node['statement'], scope, found);
  return true;
};

const READERS: Readonly<Record<string, Reader>> = {
  // biome-ignore-start lint/style/useNamingConvention: names of the parser's tree
  Table: readTable,
  Select: readSelect,
  Insert: readInsert,
  Update: readUpdate,
  Delete: readDelete,
  Merge: readMerge,
  CreateTable: readCreate,
  CreateView: readCreate,
  Drop: readDrop,
  Truncate: readTruncate,
  AlterTable: readAlter,
  Copy: readCopy,
  CopyIntoSnowflake: readCopyInto,
  Explain: readExplain,
  // biome-ignore-end lint/style/useNamingConvention: names of the parser's tree
};
