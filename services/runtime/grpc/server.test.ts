import { connect as connectTcp } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { frame, rawConnection } from '../../../test/support/grpc.ts';
import { createGrpcServer, cutMessage, type GrpcServer, type GrpcServerSettings } from './server.ts';

const LIMITS = { bytesMax: 1024, admit: () => true };
let server: GrpcServer | null = null;
afterEach(async () => server?.drain(0));

/** Echoes each message. */
const start = async (over: Partial<GrpcServerSettings> = {}): Promise<GrpcServer> => {
  server = createGrpcServer({
    host: '127.0.0.1',
    port: 0,
    portKey: 'test.port',
    listener: (call) => {
      void call.read('identity', LIMITS).then((body) => {
        if (body.kind === 'body') call.reply({ status: 0, message: '', metadata: { 'x-n': '1' }, body: body.bytes });
      });
    },
    ...over,
  });
  await server.listen();
  return server;
};

describe('a gRPC server', () => {
  test('answers with headers, one framed message, and the status in the trailers', async () => {
    const { call, session } = rawConnection((await start()).port());
    const { fields, text } = await call({ chunks: [frame(Buffer.from('hello'))] });
    expect(fields).toMatchObject({ ':status': '200', 'grpc-status': '0', 'x-n': '1' });
    expect(text).toBe('\0\0\0\0\x05hello');
    session.destroy();
  });

  test('ends a call whose message does not come in time', async () => {
    const { call, session } = rawConnection((await start({ requestTimeoutMs: 20 })).port());
    const { fields } = await call({ chunks: [frame(Buffer.from('hello')).subarray(0, 7)], isEnded: false });
    expect(fields['grpc-status']).toBe('4');
    session.destroy();
  });

  test('cuts a connection that says nothing, and leaves one that answers pings', async () => {
    const port = (await start({ keepAliveMs: 20 })).port();
    const { call, session } = rawConnection(port);
    const cut = new Promise((resolve) => {
      const silent = connectTcp(port, '127.0.0.1');
      silent.on('error', () => undefined);
      silent.once('close', resolve);
      silent.resume();
    });
    await cut;
    let pings = 0;
    const asked = new Promise<void>((resolve) => {
      session.on('ping', () => {
        pings += 1;
        if (pings === 4) resolve();
      });
    });
    await asked;
    expect((await call({ chunks: [frame(Buffer.of(1))] })).fields['grpc-status']).toBe('0');
    session.destroy();
  });

  test('cuts what is open when the drain deadline passes, and drains once', async () => {
    const entered = Promise.withResolvers<void>();
    const started = await start({ listener: () => entered.resolve() });
    const { call } = rawConnection(started.port());
    const open = call({ chunks: [frame(Buffer.of(1))] });
    await entered.promise;
    await started.drain(10);
    expect((await open).fields['grpc-status']).toBeUndefined();
    await started.drain(10);
  });
});

describe('the text of a status', () => {
  test('is cut in whole characters, and a lone surrogate is no reason to fail', () => {
    expect(cutMessage('short')).toBe('short');
    const cut = cutMessage('日'.repeat(900));
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(1000);
    expect(cut).toMatch(/^日+$/);
    expect(cutMessage('a\ud800b')).toBe('a\ufffdb');
  });
});
