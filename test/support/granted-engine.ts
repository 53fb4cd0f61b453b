import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const CLICKHOUSE = resolve(import.meta.dirname, '..', '..', 'deploy', 'clickhouse');

/** What deploy/clickhouse/users.d says of a user, under the name `default`: the one user this engine has. */
export const usersXmlOf = (
  user: string,
  moreGrants: readonly string[] = [],
  text = readFileSync(join(CLICKHOUSE, 'users.d', 'tachograph.xml'), 'utf8'),
): string => {
  const section = (name: string): string => {
    const found = new RegExp(`<${name}>(.*?)</${name}>`, 's').exec(text)?.[1];
    if (found === undefined) throw new Error(`no <${name}>`);
    return found;
  };
  const more = moreGrants.map((grant) => `<query>${grant}</query>`).join('');
  const own = section(user).replace('</grants>', `${more}</grants>`);
  return `<clickhouse><profiles><default/>${section('profiles')}</profiles><quotas><default/></quotas>
    <users><default><password></password>${own}</default></users></clickhouse>`;
};

/** The config of the image, as far as what we lay over it takes something away. */
const IMAGE_XML = (usersFile: string): string =>
  `<clickhouse><users_config>${usersFile}</users_config><interserver_http_port>9009</interserver_http_port></clickhouse>`;

/** The real engine, where one user of docker-compose.yml may do what is granted there and nothing else. */
export interface GrantedEngine {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** The answer as text; throws with what the engine says when it refuses. */
  readonly ask: (sql: string) => Promise<string>;
  readonly close: () => Promise<void>;
}

/**
 * Inserts over HTTP come to the embedded engine as files: the one right it needs beside those granted, and only there.
 */
const SPOOL_GRANT = 'GRANT READ ON FILE';

/** Starts it on a data folder; throws with its last words when the config does not load. */
export const startGrantedEngine = async (
  dataDir: string,
  user: string,
  files: { readonly users: string; readonly server?: string } = { users: usersXmlOf(user, [SPOOL_GRANT]) },
): Promise<GrantedEngine> => {
  const dir = mkdtempSync(join(tmpdir(), 'tacho-granted-'));
  const usersFile = join(dir, 'users.xml');
  const configFile = join(dir, 'config.xml');
  writeFileSync(usersFile, files.users);
  writeFileSync(configFile, IMAGE_XML(usersFile));
  const server = files.server ?? readFileSync(join(CLICKHOUSE, 'config.d', 'tachograph.xml'), 'utf8');
  mkdirSync(join(dir, 'config.d'));
  writeFileSync(join(dir, 'config.d', 'tachograph.xml'), server);
  const password = 'of-the-test';
  const program = join(import.meta.dirname, 'granted-engine-child.ts');
  const child = spawn(process.execPath, [program, configFile, dataDir, user, password], {
    cwd: dir,
    env: { TZ: 'UTC', UV_THREADPOOL_SIZE: '14' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let words = '';
  child.stderr.on('data', (chunk) => {
    words = (words + String(chunk)).slice(-4_000);
  });
  const port = await new Promise<string>((found, fail) => {
    child.once('close', () => fail(new Error(`the engine did not start:\n${words}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const told = /^listening (\d+)$/.exec(line)?.[1];
      if (told !== undefined) found(told);
    });
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    user,
    password,
    ask: async (sql) => {
      const headers = { 'x-clickhouse-user': user, 'x-clickhouse-key': password };
      const answer = await fetch(url, { method: 'POST', body: sql, headers });
      const text = await answer.text();
      if (!answer.ok) throw new Error(text);
      return text.trim();
    },
    close: async () => {
      const ended = child.exitCode === null && child.signalCode === null ? once(child, 'close') : null;
      child.stdin.end();
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
};
