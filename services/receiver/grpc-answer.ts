import { cutMessage, GRPC_STATUS, type GrpcReply } from '../runtime/grpc/server.ts';
import { type Answer, exportedBytes, POSITION_HEADER, REFUSALS, statusBytes } from './answers.ts';

/** Clients take 8 KiB of metadata in all; over a thousand partitions the position would not fit, and stays out. */
const POSITION_CHARS_MAX = 4_096;

/** An answer as OTLP/gRPC writes it. Every refusal carries its google.rpc.Status, with RetryInfo when it passes. */
export const grpcReply = (answer: Answer): GrpcReply => {
  if (answer.kind === 'exported') {
    const isTold = answer.position !== '' && answer.position.length <= POSITION_CHARS_MAX;
    const metadata = isTold ? { [POSITION_HEADER]: answer.position } : {};
    return { status: GRPC_STATUS.OK, message: '', metadata, body: exportedBytes(answer) };
  }
  const message = cutMessage(answer.message);
  const details = Buffer.from(statusBytes({ ...answer, message })).toString('base64');
  return {
    status: REFUSALS[answer.why].rpcCode,
    message,
    metadata: { 'grpc-status-details-bin': details },
    body: null,
  };
};
