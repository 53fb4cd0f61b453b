import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import {
  brotliCompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  deflate,
  gzip,
  zstdCompress,
} from 'node:zlib';
import { EngineError } from './engine-error.ts';

/** Reads and decompresses a body. Throws EngineError for an unknown encoding, broken data or more than `sizeBytesMax`. */
export const readBody = async (request: IncomingMessage, sizeBytesMax: number): Promise<readonly Buffer[]> => {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of decoded(request)) {
      const bytes: Buffer = chunk;
      sizeBytes += bytes.length;
      if (sizeBytes > sizeBytesMax) {
        throw new EngineError(307, 'TOO_MANY_BYTES', `The body is larger than ${sizeBytesMax} bytes`);
      }
      chunks.push(bytes);
    }
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    throw new EngineError(33, 'CANNOT_READ_ALL_DATA', 'The body ended early or cannot be decompressed', { cause });
  }
  return chunks;
};

const decoded = (request: IncomingMessage): Readable => {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  const decoder = decoderOf(encoding);
  if (decoder === null) return request;
  // Without this a client that goes away in mid-body would leave the decoder waiting for ever.
  request.once('aborted', () => decoder.destroy(new Error('the client went away')));
  return request.pipe(decoder);
};

const decoderOf = (encoding: string) => {
  switch (encoding) {
    case 'identity':
      return null;
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'zstd':
      return createZstdDecompress();
    case 'br':
      return createBrotliDecompress();
    default:
      throw new EngineError(78, 'UNKNOWN_COMPRESSION_METHOD', `Unknown content encoding ${encoding.slice(0, 40)}`);
  }
};

const ENCODERS = {
  zstd: promisify(zstdCompress),
  gzip: promisify(gzip),
  br: promisify(brotliCompress),
  deflate: promisify(deflate),
} as const;
type Encoding = keyof typeof ENCODERS;
const PREFERRED: readonly Encoding[] = ['zstd', 'gzip', 'deflate', 'br'];

/** The answer's encoding: the best one the caller accepts, or null. */
export const answerEncoding = (acceptEncoding: string | undefined): Encoding | null => {
  const accepted = new Set(
    (acceptEncoding ?? '').split(',').map((part) => (part.split(';')[0] ?? '').trim().toLowerCase()),
  );
  return PREFERRED.find((encoding) => accepted.has(encoding)) ?? null;
};

/** Compresses an answer off the event loop. */
export const encodeAnswer = (encoding: Encoding, body: Uint8Array): Promise<Buffer> => ENCODERS[encoding](body);
