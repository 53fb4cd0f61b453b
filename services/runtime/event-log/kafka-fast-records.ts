import { createRequire } from 'node:module';

/** A record as kafkajs hands it to its encoder. */
export interface KafkaRecord {
  readonly offsetDelta?: number;
  readonly timestampDelta?: number;
  readonly key?: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers?: Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>;
}
type HeaderValue = Buffer | string | null | undefined;

/** What kafkajs reads of an encoder. */
export interface EncodedRecord {
  readonly buf: Buffer;
  readonly buffer: Buffer;
}

/** Length, zigzag. */
const VARINT_BYTES_MAX = 10;

/**
 * One record of a record batch, version 2 (https://kafka.apache.org/documentation/#record): the bytes kafkajs 2.2.4 makes,
 * which takes a dozen buffers and 64-bit arithmetic on objects for each. Most records have no headers.
 */
export const encodeRecord = ({
  offsetDelta = 0,
  timestampDelta = 0,
  key = null,
  value,
  headers = {},
}: KafkaRecord): EncodedRecord => {
  const pairs = Object.entries(headers).flatMap(([name, said]): (readonly [string, HeaderValue])[] =>
    isList(said) ? said.map((one) => [name, one]) : [[name, said]],
  );
  let most = 1 + 5 * VARINT_BYTES_MAX + bytesIn(key) + bytesIn(value);
  for (const [name, said] of pairs) most += 2 * VARINT_BYTES_MAX + bytesIn(name) + bytesIn(said);
  const body = scratchOf(most);
  body[0] = 0;
  let at = writeVarint(body, 1, timestampDelta);
  at = writeVarint(body, at, offsetDelta);
  at = writeBytes(body, at, key);
  at = writeBytes(body, at, value);
  at = writeVarint(body, at, pairs.length);
  for (const [name, said] of pairs) at = writeBytes(body, writeBytes(body, at, name), said);
  const lengthBytes = varintBytes(at);
  const buffer = Buffer.allocUnsafe(lengthBytes + at);
  writeVarint(buffer, 0, at);
  body.copy(buffer, lengthBytes, 0, at);
  return { buf: buffer, buffer };
};

const isList = (said: HeaderValue | readonly HeaderValue[]): said is readonly HeaderValue[] => Array.isArray(said);

const bytesIn = (value: HeaderValue): number =>
  value === null || value === undefined ? 0 : typeof value === 'string' ? Buffer.byteLength(value) : value.length;

let scratch = Buffer.allocUnsafe(64 * 1024);
const scratchOf = (bytes: number): Buffer => {
  if (bytes > scratch.length) scratch = Buffer.allocUnsafe(2 * bytes);
  return scratch;
};

const writeBytes = (into: Buffer, at: number, value: HeaderValue): number => {
  if (value === null || value === undefined) return writeVarint(into, at, -1);
  const length = bytesIn(value);
  const from = writeVarint(into, at, length);
  if (typeof value === 'string') into.write(value, from, 'utf8');
  else value.copy(into, from);
  return from + length;
};

const zigzag = (value: number): number => (value >= 0 ? value * 2 : -value * 2 - 1);

const varintBytes = (value: number): number => {
  let bytes = 1;
  for (let rest = zigzag(value); rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
};

/** Any safe integer of half the range. */
const writeVarint = (into: Buffer, start: number, value: number): number => {
  let at = start;
  let rest = zigzag(value);
  while (rest >= 0x80) {
    into[at] = (rest % 0x80) | 0x80;
    at += 1;
    rest = Math.floor(rest / 0x80);
  }
  into[at] = rest;
  return at + 1;
};

const RECORD_MODULE = 'kafkajs/src/protocol/recordBatch/record/v0';

/**
 * Puts `encodeRecord` in the place of kafkajs' own, which it loads with its first produce request; later than that it
 * changes nothing. kafkajs is pinned and no longer changes; the contract tests run over what this writes.
 */
export const installFastRecords = (): void => {
  const require = createRequire(import.meta.url);
  require(RECORD_MODULE);
  const loaded = require.cache[require.resolve(RECORD_MODULE)];
  if (loaded !== undefined) loaded.exports = encodeRecord;
};
