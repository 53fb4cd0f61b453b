import type { Dialect } from '../sql/dialect.ts';
import type { NamePart } from '../sql/statement-tables.ts';

/** The database a span speaks to, as far as it says. */
export interface DatabasePlace {
  /** `db.system.name`. */
  readonly system: string;
  readonly host: string | undefined;
  readonly port: string | undefined;
  /** `db.namespace`: the database, some with its schema: `shop|public` (semconv, PostgreSQL, Snowflake, SQL Server). */
  readonly database: string | undefined;
}

/** Schemes of stores that speak no SQL, with the port that is theirs (OpenLineage, dataset naming). */
const STORES: ReadonlyMap<string, readonly [scheme: string, port: string | null]> = new Map([
  ['mongodb', ['mongodb', '27017']],
  ['redis', ['redis', '6379']],
  ['elasticsearch', ['elasticsearch', '9200']],
  ['opensearch', ['opensearch', '9200']],
  ['cassandra', ['cassandra', '9042']],
  ['aws.dynamodb', ['dynamodb', null]],
  ['dynamodb', ['dynamodb', null]],
  ['azure.cosmosdb', ['azurecosmos', null]],
  ['cosmosdb', ['azurecosmos', null]],
]);

/** Namespace of a data set: scheme, host, port, as far as they are told; `postgres` alone where no host is. */
export const namespaceOf = (place: DatabasePlace, dialect: Dialect | null): string => {
  const [scheme, ownPort] =
    dialect === null ? (STORES.get(place.system) ?? [place.system, null]) : [dialect.scheme, dialect.port];
  if (scheme === 'bigquery' || place.host === undefined) return scheme;
  const port = place.port ?? ownPort;
  return `${scheme}://${place.host.toLowerCase()}${port === null ? '' : `:${port}`}`;
};

/** Semconv: `{database}|{schema}`; anything else is the database. */
const placeParts = (database: string | undefined): readonly string[] =>
  database === undefined ? [] : database.split('|').filter((part) => part !== '');

/**
 * Whole name of a table: what the statement leaves out is taken from the connection, and the schema from what the
 * database defaults to (`public`, `dbo`): one table must not be two because one statement names its schema.
 */
export const tableName = (parts: readonly NamePart[], place: DatabasePlace, dialect: Dialect): string => {
  const written = parts.map((part) => folded(part, dialect));
  const missing = dialect.parts - written.length;
  if (missing <= 0) return written.join('.');
  const [database, schema] = placeParts(place.database).map((part) => folded({ value: part, isQuoted: true }, dialect));
  if (dialect.parts === 2) return [...(database === undefined ? [] : [database]), ...written].join('.');
  const schemaPart = schema ?? dialect.schema;
  const before = [database, ...(missing === 2 ? [schemaPart] : [])];
  return [...before.filter((part) => part !== undefined && part !== null), ...written].join('.');
};

const folded = ({ value, isQuoted }: NamePart, { fold }: Dialect): string => {
  if (isQuoted || fold === 'as_is') return value;
  return fold === 'lower' ? value.toLowerCase() : value.toUpperCase();
};

/** Name of a collection, index or the whole database, as the span says it. */
export const collectionName = (place: DatabasePlace, collection: string | undefined): string | null => {
  const parts = [...placeParts(place.database), ...(collection === undefined ? [] : [collection])];
  return parts.length === 0 ? null : parts.join('.');
};
