import type { DeadLetterReason } from '../dead-letter.ts';
import { NODES_MAX } from './limits.ts';
import type { WireFault } from './wire-reader.ts';

/** A parsed JSON object: any key may be there, with anything. */
export type JsonObject = Readonly<Record<string, unknown>>;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

/**
 * Reads values of OTLP/JSON (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding) and of its dialects.
 * null and absent are the same. The first fault sticks, as in WireReader; reads after it give zero values.
 */
export class JsonReader {
  fault: WireFault | null = null;
  nodesLeft: number = NODES_MAX;

  fail(reason: DeadLetterReason, detail: string): void {
    this.fault ??= { reason, detail };
  }

  /** Counts one decoded node, as WireReader does. */
  node(): void {
    if (--this.nodesLeft < 0) this.fail('too_large', 'more attributes, events and values than one item may hold');
  }

  /** Starts a new part: a fresh budget, and the fault of the last one handed over. */
  restart(): WireFault | null {
    const fault = this.fault;
    this.fault = null;
    this.nodesLeft = NODES_MAX;
    return fault;
  }

  object(value: unknown, what: string): JsonObject {
    if (value === undefined || value === null) return {};
    if (isJsonObject(value)) return value;
    this.fail('malformed_json', `${what} is not an object`);
    return {};
  }

  array(value: unknown, what: string): readonly unknown[] {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value)) return value;
    this.fail('malformed_json', `${what} is not an array`);
    return [];
  }

  /** Lone surrogates become U+FFFD, as they do when the text is written as UTF-8. */
  text(value: unknown, what: string): string {
    if (value === undefined || value === null) return '';
    if (typeof value === 'string') return value.isWellFormed() ? value : value.toWellFormed();
    this.fail('malformed_json', `${what} is not a string`);
    return '';
  }

  bool(value: unknown, what: string): boolean {
    if (typeof value === 'boolean') return value;
    if (value === 'true' || value === 'false') return value === 'true';
    this.fail('malformed_json', `${what} is not true or false`);
    return false;
  }

  /** Decimal string or number; unsigned 64 bits. */
  uint64(value: unknown, what: string): bigint {
    if (value === undefined || value === null || value === '') return 0n;
    const integer = integerOf(value);
    if (integer !== null && integer >= 0n && integer <= UINT64_MAX) return integer;
    this.fail('malformed_json', `${what} is not an unsigned 64-bit integer`);
    return 0n;
  }

  /** Decimal string or number; a number when that is exact, else a bigint. */
  int64(value: unknown, what: string): number | bigint {
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value === 0 ? 0 : value;
    const integer = integerOf(value);
    if (integer !== null && integer >= INT64_MIN && integer <= INT64_MAX) {
      const number = Number(integer);
      return Number.isSafeInteger(number) ? number : integer;
    }
    this.fail('malformed_json', `${what} is not a 64-bit integer`);
    return 0;
  }

  double(value: unknown, what: string): number {
    if (typeof value === 'number') return value;
    if (typeof value === 'string' && DOUBLE_TEXT.test(value)) return Number(value);
    this.fail('malformed_json', `${what} is not a number`);
    return 0;
  }

  /** A number (also as text), or the name of a protobuf enum value with its prefix. */
  enumeration(value: unknown, names: ReadonlyMap<string, number>, what: string): number {
    if (value === undefined || value === null) return 0;
    const named = typeof value === 'string' ? names.get(value) : undefined;
    return named ?? Number(BigInt.asIntN(32, BigInt(this.int64(value, what))));
  }

  /** Base64, either alphabet. */
  base64(value: unknown, what: string): Uint8Array {
    const text = this.text(value, what);
    if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) this.fail('malformed_json', `${what} is not base64`);
    return new Uint8Array(Buffer.from(text, 'base64'));
  }

  /** An id in hex, any case; '' when absent or all zero, null when it is something else. */
  id(value: unknown, sizeBytes: number): string | null {
    if (value === undefined || value === null || value === '') return '';
    if (typeof value !== 'string' || value.length !== sizeBytes * 2 || !/^[0-9a-fA-F]+$/.test(value)) return null;
    return /^0+$/.test(value) ? '' : value.toLowerCase();
  }
}

const DOUBLE_TEXT = /^(NaN|-?Infinity|[+-]?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,10})?)$/;

/** True for what JSON calls an object. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const integerOf = (value: unknown): bigint | null => {
  if (typeof value === 'string') return /^[+-]?\d{1,20}$/.test(value) ? BigInt(value) : integerOf(exponentForm(value));
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : null;
};

/** `1e3` and `5.0` are integers to protobuf's JSON mapping. */
const exponentForm = (text: string): number | null =>
  /^-?\d{1,15}(\.\d{1,15})?([eE]\+?\d{1,2})?$/.test(text) ? Number(text) : null;

/** A field by its lowerCamelCase name, or as snake_case (protobuf's JSON mapping takes both). */
export const fieldOf = (object: JsonObject, camel: string, snake: string): unknown => object[camel] ?? object[snake];
