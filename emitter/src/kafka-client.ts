import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import kafkajs, { type ISocketFactory, type Kafka } from 'kafkajs';
import { silenceNegativeTimeouts } from '../../services/runtime/event-log/kafka-warnings.ts';
import { say } from './say.ts';
import type { KafkaPlace } from './settings.ts';

const CONNECTION_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_MS = 60_000;
/** What one record batch may unpack to, against decompression bombs: control events are small. */
const UNPACKED_BYTES_MAX = 64 * 1024 * 1024;

/** A kafkajs client whose connections can be cut. */
export interface KafkaClient {
  readonly kafka: Kafka;
  /** Ends every connection at once and for good: what waits on them fails. */
  readonly cut: () => void;
}

/**
 * A client that never keeps the agent's process alive: its sockets are not waited for, and kafkajs' own check of request
 * timeouts (an interval as long as a connection lives) is off; callers set deadlines and cut.
 */
export const createKafkaClient = (place: KafkaPlace): KafkaClient => {
  registerZstd();
  silenceNegativeTimeouts();
  const sockets = new Set<Socket>();
  let isCut = false;
  const socketFactory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    const name = isIP(host) === 0 ? { servername: host } : {};
    const socket = ssl ? connectTls({ host, port, ...name, ...ssl }, onConnect) : connectTcp({ host, port }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.unref();
    socket.on('error', () => {}); // kafkajs hears it as well; after its goodbye nobody would
    // kafkajs may try once more after the cut: that must not open a line nobody closes.
    if (isCut) socket.destroy(new Error('the line is cut'));
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    return socket;
  };
  const kafka = new kafkajs.Kafka({
    brokers: [...place.brokers],
    clientId: place.clientId ?? 'tachograph-emitter',
    ...(place.ssl === undefined ? {} : { ssl: place.ssl }),
    ...(place.sasl === undefined ? {} : { sasl: place.sasl }),
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    enforceRequestTimeout: false,
    // Whoever uses the client comes back by itself, with pauses of its own.
    retry: { initialRetryTime: 100, maxRetryTime: 500, factor: 0.2, multiplier: 2, retries: 2 },
    socketFactory,
    logLevel: kafkajs.logLevel.WARN,
    // Outages are told once by whoever meets them; the client's own words are for who debugs it.
    logCreator: () => (entry) => say('verbose', `kafkajs: ${entry.log.message}`),
  });
  return {
    kafka,
    cut: () => {
      isCut = true;
      for (const socket of sockets) socket.destroy(new Error('the line is cut'));
    },
  };
};

/** zstd where Node has it (22.15 and later); kafkajs keeps codecs per process, and one that is there already stays. */
const registerZstd = (): void => {
  if (!hasZstd) return;
  const { zstdCompress, zstdDecompress } = zlib;
  const compress = promisify(zstdCompress);
  const decompress = promisify(zstdDecompress);
  kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
    compress: ({ buffer }: { readonly buffer: Buffer }) =>
      compress(buffer, { params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 } }),
    decompress: (buffer: Buffer) => decompress(buffer, { maxOutputLength: UNPACKED_BYTES_MAX }),
  });
};

const hasZstd = 'zstdCompress' in zlib;

/** The best compression this Node has. */
export const COMPRESSION = hasZstd ? kafkajs.CompressionTypes.ZSTD : kafkajs.CompressionTypes.GZIP;
