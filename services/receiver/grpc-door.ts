import { createGrpcServer, GRPC_STATUS, type GrpcCall, type GrpcServer } from '../runtime/grpc/server.ts';
import type { DoorDeps } from './door.ts';
import { grpcReply } from './grpc-answer.ts';
import { grpcHeadOf, type Head, signalOfMethod } from './head.ts';

/** OTLP/gRPC: Export of the three OTLP services. */
export const createGrpcDoor = (
  settings: { readonly host: string; readonly port: number },
  deps: DoorDeps,
): GrpcServer => {
  const { intake, openShare, metrics } = deps;

  /** Reads the message, takes it, replies. Bytes are held until the reply is written. Resolves to the status. */
  const receive = async (call: GrpcCall, head: Head): Promise<number> => {
    const share = openShare();
    try {
      const limits = { bytesMax: deps.bodyBytesMax, admit: share.admit };
      const body = await call.read(head.compression, limits);
      if (body.kind === 'gone') return GRPC_STATUS.CANCELLED;
      const reply = grpcReply(body.kind === 'body' ? await intake.take(body.bytes, head) : intake.unread(body));
      call.reply(reply);
      return reply.status;
    } finally {
      share.release();
    }
  };

  const respond = async (call: GrpcCall): Promise<void> => {
    const signal = signalOfMethod(call.path);
    const judged = grpcHeadOf(call, signal, deps.access);
    const head = judged.kind === 'head' ? (deps.turnedAway() ?? judged) : judged;
    let status: number;
    if (head.kind === 'head') status = await receive(call, head);
    else {
      const reply = grpcReply(head);
      call.reply(reply);
      status = reply.status;
    }
    metrics.count('receiver_requests_total', { protocol: 'grpc', signal: signal ?? 'unknown', status });
  };

  return createGrpcServer({
    ...settings,
    portKey: 'receiver.grpc_port (TACHO_RECEIVER_GRPC_PORT)',
    listener: (call) => deps.track(respond(call), call.destroy),
  });
};
