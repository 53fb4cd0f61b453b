import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import kafkajs from 'kafkajs';
import { compressFrame, decompressFrame } from 'lz4-napi';
import { compress as snappyCompress, uncompress as snappyUncompress } from 'snappy';

/** A record batch as kafkajs hands it to a codec. */
interface Encoded {
  readonly buffer: Buffer;
}

interface Codec {
  readonly compress: (encoder: Encoded) => Promise<Buffer>;
  readonly decompress: (buffer: Buffer) => Promise<Buffer>;
}

const compressZstd = promisify(zstdCompress);
const decompressZstd = promisify(zstdDecompress);
/** What one record batch may unpack to: 21 MiB topic limit times a generous ratio, against decompression bombs. */
const BATCH_BYTES_MAX = 256 * 1024 * 1024;

const zstd: Codec = {
  compress: ({ buffer }) => compressZstd(buffer, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
  decompress: (buffer) => decompressZstd(buffer, { maxOutputLength: BATCH_BYTES_MAX }),
};

/** Java clients frame snappy by xerial: this magic, two int32 versions, then chunks of int32 length + raw snappy. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const XERIAL_HEADER_BYTES = 16;

const rawSnappy = async (buffer: Buffer): Promise<Buffer> => {
  const plain = await snappyUncompress(buffer, { asBuffer: true });
  return typeof plain === 'string' ? Buffer.from(plain) : plain;
};

const unpackXerial = async (buffer: Buffer): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for (let at = XERIAL_HEADER_BYTES; at < buffer.length; ) {
    const size = buffer.readInt32BE(at);
    chunks.push(await rawSnappy(buffer.subarray(at + 4, at + 4 + size)));
    at += 4 + size;
  }
  return Buffer.concat(chunks);
};

const packXerial = (chunk: Buffer): Buffer => {
  const head = Buffer.alloc(XERIAL_HEADER_BYTES + 4);
  XERIAL_MAGIC.copy(head);
  head.writeInt32BE(1, 8);
  head.writeInt32BE(1, 12);
  head.writeInt32BE(chunk.length, XERIAL_HEADER_BYTES);
  return Buffer.concat([head, chunk]);
};

const snappy: Codec = {
  compress: async ({ buffer }) => packXerial(await snappyCompress(buffer)),
  decompress: (buffer) =>
    buffer.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC) ? unpackXerial(buffer) : rawSnappy(buffer),
};

const lz4: Codec = {
  compress: ({ buffer }) => compressFrame(buffer),
  decompress: (buffer) => decompressFrame(buffer),
};

/** Gives kafkajs the codecs it lacks (gzip is built in). Idempotent; kafkajs keeps codecs per process. */
export const registerKafkaCodecs = (): void => {
  const codecs = kafkajs.CompressionCodecs;
  const types = kafkajs.CompressionTypes;
  codecs[types.ZSTD] = () => zstd;
  codecs[types.Snappy] = () => snappy;
  codecs[types.LZ4] = () => lz4;
};
