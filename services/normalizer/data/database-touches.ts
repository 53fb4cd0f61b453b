import { waysOfOperation } from '../../../schemas/data-operation.ts';
import type { StepTouch } from '../../../schemas/step-touch.ts';
import { asText, keySet, textAttr } from '../conventions/values.ts';
import type { SpanView } from '../span-view.ts';
import { type Dialect, dialectOf } from '../sql/dialect.ts';
import { readSql } from '../sql/read-sql.ts';
import { collectionName, type DatabasePlace, namespaceOf, tableName } from './dataset-name.ts';

/** The stable names first, then those of before 1.26 (semconv, database spans). */
const SAID = {
  system: keySet('db.system.name', 'db.system'),
  database: keySet('db.namespace', 'db.name'),
  collection: keySet(
    'db.collection.name',
    'db.sql.table',
    'db.mongodb.collection',
    'db.cassandra.table',
    'db.cosmosdb.container',
    'db.elasticsearch.path_parts.index',
  ),
  tables: keySet('aws.dynamodb.table_names'),
  query: keySet('db.query.text', 'db.statement'),
  operation: keySet('db.operation.name', 'db.operation', 'db.redis.command'),
  host: keySet('server.address', 'net.peer.name', 'net.sock.peer.addr'),
  port: keySet('server.port', 'net.peer.port'),
};

/** What a span of a database client touched; none of any other span. */
export const databaseTouches = (view: SpanView): readonly StepTouch[] => {
  const system = textAttr(view, SAID.system)?.toLowerCase();
  if (system === undefined) return [];
  const place: DatabasePlace = {
    system,
    host: textAttr(view, SAID.host),
    port: textAttr(view, SAID.port),
    database: textAttr(view, SAID.database),
  };
  const dialect = dialectOf(system);
  const query = textAttr(view, SAID.query);
  if (dialect === null || query === undefined) return collectionTouches(view, place, dialect, []);
  const { touches, isUnparsed } = sqlTouches(query, place, dialect);
  // A statement that nobody can read touched the database all the same.
  if (touches.length === 0 && isUnparsed) return collectionTouches(view, place, dialect, ['sql_unparsed']);
  return touches;
};

/** What a text of SQL touches, by whole names. */
export const sqlTouches = (
  query: string,
  place: DatabasePlace,
  dialect: Dialect,
): { readonly touches: readonly StepTouch[]; readonly isUnparsed: boolean } => {
  const { statements, isUnparsed } = readSql(query, dialect);
  const namespace = namespaceOf(place, dialect);
  const flags = isUnparsed ? (['sql_unparsed'] as const) : [];
  const touches = statements.flatMap((tables, statement) =>
    tables.map(({ way, parts, operation, columns }) => ({
      way,
      kind: 'dataset' as const,
      namespace,
      name: tableName(parts, place, dialect),
      statement,
      flags,
      operation,
      columns,
    })),
  );
  return { touches, isUnparsed };
};

/** What the span says besides a statement: a collection, else the database as a whole. */
const collectionTouches = (
  view: SpanView,
  place: DatabasePlace,
  dialect: Dialect | null,
  flags: StepTouch['flags'],
): readonly StepTouch[] => {
  const told = textAttr(view, SAID.collection);
  const names =
    told === undefined
      ? (dynamoTables(view) ?? [collectionName(place, undefined) ?? place.system])
      : [dialect === null ? collectionName(place, told) : tableName(partsOf(told), place, dialect)];
  const operation = textAttr(view, SAID.operation) ?? null;
  return names.flatMap((name) =>
    name === null
      ? []
      : waysOfOperation(operation).ways.map((way) => ({
          way,
          kind: 'dataset' as const,
          namespace: namespaceOf(place, dialect),
          name,
          statement: 0,
          flags,
          operation,
          columns: [],
        })),
  );
};

const partsOf = (name: string) => name.split('.').map((value) => ({ value, isQuoted: false }));

const dynamoTables = (view: SpanView): readonly string[] | null => {
  for (const place of view.ask(SAID.tables)) {
    const value = view.at(place);
    if (Array.isArray(value)) return value.flatMap((each) => asText(each) ?? []);
  }
  return null;
};
