import { createServer } from 'node:net';

/** Whether a port can be bound now; 0, any free port, always can. */
export const canListen = async (port: number, host = '127.0.0.1'): Promise<boolean> =>
  new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen(port, host, () => server.close(() => done(true)));
  });
