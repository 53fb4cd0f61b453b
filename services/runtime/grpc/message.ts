import type { Readable } from 'node:stream';
import {
  type BodyLimits,
  type BodyOutcome,
  type BodyPrefix,
  type ContentEncoding,
  collect,
  unpack,
} from '../http/body.ts';

/** Before each message: a byte that says whether it is compressed, then its length, big-endian. */
const PREFIX_BYTES = 5;
const PREFIX: BodyPrefix = {
  bytes: PREFIX_BYTES,
  announcedBytes: (first) => (first.length < PREFIX_BYTES ? 0 : first.readUInt32BE(1)),
};

/**
 * The one message of a unary call, within limits and unpacked. A length above the limit is refused as soon as its
 * prefix is here. Never throws for what the sender did.
 */
export const readMessage = async (
  source: Readable,
  encoding: ContentEncoding,
  limits: BodyLimits,
): Promise<BodyOutcome> => {
  const received = await collect(source, limits, PREFIX);
  if (!Buffer.isBuffer(received)) return received;
  if (received.length < PREFIX_BYTES) return malformed('the call ended before its message');
  const [compressed] = received;
  const message = received.subarray(PREFIX_BYTES);
  if (received.readUInt32BE(1) !== message.length) return malformed('the call is not one whole message');
  if (compressed === 0) return { kind: 'body', bytes: message };
  if (compressed !== 1) return malformed('the message does not start with a gRPC prefix');
  if (encoding === 'identity') return malformed('the message is compressed, but no grpc-encoding says how');
  return unpack(message, encoding, limits);
};

/** A message as it goes over the wire, uncompressed. */
export const frameMessage = (message: Uint8Array): Buffer => {
  const frame = Buffer.alloc(PREFIX_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX_BYTES);
  return frame;
};

const malformed = (detail: string): BodyOutcome => ({ kind: 'refused', why: 'malformed', detail, isUnread: false });
