import type { EngineFacts } from './child-protocol.ts';
import { sqlTokens } from './sql-tokens.ts';

/**
 * The first question of every clickhouse-go client over HTTP (the OTel Collector, Grafana's data source). They ask it in
 * Native at their own revision and read everything after it at the revision this answer names. The engine writes Native
 * at revision 0 only, so the answer says 0, and is itself framed as the client's revision wants it.
 * clickhouse-go conn_http.go `queryHello`; lib/proto/block.go.
 */
const QUESTION = 'select displayname ( ) , version ( ) , revision ( ) , timezone ( )';
/** From this revision on, every column says whether its serialisation is a custom one. */
const CUSTOM_SERIALIZATION_REVISION = 54454;
/** BlockInfo: field 1 is_overflows = 0, field 2 bucket_num = -1, end. In answers to any client with a revision. */
const BLOCK_INFO = Buffer.from([1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0]);

/** Is this SQL the handshake? Cheap: only short texts are looked at. */
export const isHandshake = (sql: string, format: string | null, clientRevision: number): boolean => {
  if (clientRevision === 0 || sql.length > 200 || (format !== null && format !== 'Native')) return false;
  return [...sqlTokens(sql)].map((token) => token.text.toLowerCase()).join(' ') === QUESTION;
};

/** The answer: one Native block of one row. */
export const handshakeAnswer = (facts: EngineFacts, clientRevision: number): Buffer => {
  const revision = Buffer.alloc(4);
  const columns: readonly (readonly [name: string, type: string, value: Buffer])[] = [
    ['displayName()', 'String', text(facts.displayName)],
    ['version()', 'String', text(facts.version)],
    ['revision()', 'UInt32', revision],
    ['timezone()', 'String', text(facts.timezone)],
  ];
  const flag = clientRevision >= CUSTOM_SERIALIZATION_REVISION ? Buffer.from([0]) : Buffer.alloc(0);
  return Buffer.concat([
    BLOCK_INFO,
    Buffer.from([columns.length, 1]),
    ...columns.flatMap(([name, type, value]) => [text(name), text(type), flag, value]),
  ]);
};

/** A short string with its length; names and versions never reach 128 bytes. */
const text = (value: string): Buffer => {
  const bytes = Buffer.from(value).subarray(0, 127);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
};
