/**
 * The embedded engine under a config file of ClickHouse's own: with the users, grants and limits that the file names, for
 * the user `default`. Serves HTTP until standard input closes. Arguments: config file, data folder, user, password.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadChdb } from '../../services/runtime/engine/chdb.ts';
import { createEngineServer } from '../../services/runtime/engine/server.ts';

const [configFile = '', dataDir = '', user = '', password = ''] = process.argv.slice(2);
const chdb = loadChdb();
const data = join(dataDir, 'clickhouse');
const root = new chdb.Session(data, { connectionArgs: [`--config-file=${configFile}`] });
const facts = await root.queryAsync('SELECT displayName(), version(), timezone()', { format: 'TabSeparatedRaw' });
const [displayName = '', version = '', timezone = 'UTC'] = Buffer.from(facts.bytes())
  .toString('utf8')
  .trim()
  .split('\t');
const spoolDir = join(dataDir, 'spool');
mkdirSync(spoolDir, { recursive: true });
let spooled = 0;
const server = createEngineServer(
  {
    openSession: () => new chdb.Session(data),
    spoolDir,
    nextSpoolName: () => {
      spooled += 1;
      return `insert-${spooled}`;
    },
  },
  { displayName, version, timezone },
  { user, password },
);
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(`listening ${typeof address === 'object' && address !== null ? address.port : 0}`);
});
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).resume();
