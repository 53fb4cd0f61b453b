import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import zlib from 'node:zlib';

export const CONTENT_ENCODINGS = ['identity', 'gzip', 'deflate', 'zstd', 'br'] as const;
export type ContentEncoding = (typeof CONTENT_ENCODINGS)[number];

/** Bodies that unpack to no more than this are taken whatever their ratio: small and repetitive is normal. */
const RATIO_FREE_BYTES = 1024 * 1024;
/** Telemetry compresses 5 to 40 times; beyond this ratio it is a bomb. */
const RATIO_MAX = 200;
/** Below this many compressed bytes a call on this thread is cheaper than a trip to the thread pool. */
const SYNC_BYTES_MAX = 64 * 1024;

export type BodyOutcome =
  | { readonly kind: 'body'; readonly bytes: Uint8Array }
  /** `isUnread`: bytes are still coming in; the answer must not wait for them. */
  | {
      readonly kind: 'refused';
      readonly why: 'malformed' | 'too_large' | 'overload';
      readonly detail: string;
      readonly isUnread: boolean;
    }
  /** The sender went away; nobody waits for an answer. */
  | { readonly kind: 'gone' };

export interface BodyLimits {
  /** Of the body as sent and of the body after decompression. */
  readonly bytesMax: number;
  /** Asked before bytes are kept; false means no room now. What it granted is for the caller to give back. */
  readonly admit: (bytes: number) => boolean;
}

/** Reads a whole request body within limits and unpacks it. Never throws for what the sender did. */
export const readBody = async (
  request: IncomingMessage,
  response: ServerResponse,
  encoding: ContentEncoding,
  limits: BodyLimits,
): Promise<BodyOutcome> => {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > limits.bytesMax) return tooLarge(limits.bytesMax, true);
  if (request.headers.expect !== undefined) response.writeContinue();
  const received = await collect(request, limits);
  if (!Buffer.isBuffer(received)) return received;
  if (encoding === 'identity' || received.length === 0) return { kind: 'body', bytes: received };
  return unpack(received, encoding, limits);
};

/** What stands before the body in the same stream. */
export interface BodyPrefix {
  readonly bytes: number;
  /** The size of the body that the first chunk announces; 0 when it does not say. */
  readonly announcedBytes: (first: Buffer) => number;
}

const NO_PREFIX: BodyPrefix = { bytes: 0, announcedBytes: () => 0 };

const tooLarge = (bytesMax: number, isUnread: boolean): BodyOutcome => ({
  kind: 'refused',
  why: 'too_large',
  detail: `the body is larger than ${bytesMax} bytes: send smaller batches`,
  isUnread,
});

const overload = (isUnread: boolean): BodyOutcome => ({
  kind: 'refused',
  why: 'overload',
  detail: 'too many bytes in flight: send again later',
  isUnread,
});

/** All bytes of a stream, its prefix included, or why not. Never throws for what the sender did. */
export const collect = (
  source: Readable,
  limits: BodyLimits,
  prefix: BodyPrefix = NO_PREFIX,
): Promise<Buffer | BodyOutcome> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (outcome: Buffer | BodyOutcome): void => {
      source.off('data', onData);
      source.off('end', onEnd);
      source.off('close', onGone);
      resolve(outcome);
    };
    const isTooLarge = (chunk: Buffer): boolean =>
      size > limits.bytesMax + prefix.bytes || (chunks.length === 0 && prefix.announcedBytes(chunk) > limits.bytesMax);
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (isTooLarge(chunk)) settle(tooLarge(limits.bytesMax, true));
      else if (!limits.admit(chunk.length)) settle(overload(true));
      else chunks.push(chunk);
    };
    const onEnd = (): void => settle(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size));
    const onGone = (): void => settle({ kind: 'gone' });
    source.on('data', onData);
    source.on('end', onEnd);
    source.on('close', onGone);
    source.on('error', () => undefined); // 'close' follows and says it
  });

/** Decompresses within limits: a bomb is refused at the limit, not after it was unpacked. */
export const unpack = async (
  packed: Uint8Array,
  encoding: ContentEncoding,
  limits: BodyLimits,
): Promise<BodyOutcome> => {
  const allowed = Math.min(limits.bytesMax, Math.max(RATIO_FREE_BYTES, packed.length * RATIO_MAX));
  try {
    const bytes = await decompress(packed, encoding, allowed);
    return limits.admit(bytes.length) ? { kind: 'body', bytes } : overload(false);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if ('code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') {
      if (allowed === limits.bytesMax) return tooLarge(limits.bytesMax, false);
      const detail = `the body unpacks to more than ${RATIO_MAX} times its size`;
      return { kind: 'refused', why: 'too_large', detail, isUnread: false };
    }
    return { kind: 'refused', why: 'malformed', detail: `the body is not ${encoding}`, isUnread: false };
  }
};

type Sync = (bytes: Uint8Array, options: { maxOutputLength: number }) => Buffer;
type Async = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>;

/** HTTP's `deflate` is zlib-wrapped; some senders leave the wrapper out. */
const isZlibWrapped = (bytes: Uint8Array): boolean =>
  ((bytes[0] ?? 0) & 0x0f) === 8 && ((bytes[0] ?? 0) * 256 + (bytes[1] ?? 0)) % 31 === 0;

const DECOMPRESS: Readonly<Record<'gzip' | 'inflate' | 'inflateRaw' | 'zstd' | 'br', readonly [Sync, Async]>> = {
  gzip: [zlib.gunzipSync, promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gunzip)],
  inflate: [zlib.inflateSync, promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.inflate)],
  inflateRaw: [zlib.inflateRawSync, promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.inflateRaw)],
  zstd: [zlib.zstdDecompressSync, promisify<Uint8Array, zlib.ZstdOptions, Buffer>(zlib.zstdDecompress)],
  br: [zlib.brotliDecompressSync, promisify<Uint8Array, zlib.BrotliOptions, Buffer>(zlib.brotliDecompress)],
};

const decompress = async (bytes: Uint8Array, encoding: ContentEncoding, outputMax: number): Promise<Uint8Array> => {
  if (encoding === 'identity') return bytes;
  const name = encoding !== 'deflate' ? encoding : isZlibWrapped(bytes) ? 'inflate' : 'inflateRaw';
  const [here, elsewhere] = DECOMPRESS[name];
  const options = { maxOutputLength: outputMax };
  return bytes.length <= SYNC_BYTES_MAX ? here(bytes, options) : elsewhere(bytes, options);
};
