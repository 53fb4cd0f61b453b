#!/usr/bin/env node
// Makes the folder of secrets that docker-compose.yml mounts: random passwords, and access tokens of which only hashes
// are kept. Plain JavaScript for any Node ≥ 16, without dependencies. Never changes what is there already.
//
//   node deploy/new-secrets.mjs [--dir deploy/secrets]            a new folder; prints two tokens, once
//   node deploy/new-secrets.mjs token NAME [--dir …] [--tenant T] [--vantage agent] [--grants ingest,read]
//                                                                 one token more; prints it, once
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const VANTAGES = ['agent', 'runtime', 'gateway', 'proxy', 'operator'];
const GRANTS = ['ingest', 'read', 'content', 'operate', 'admin'];
/** 256 bits: nobody guesses them, so a fast hash keeps them well. */
const SECRET_BYTES = 32;

const newSecret = (prefix = '') => `${prefix}${randomBytes(SECRET_BYTES).toString('base64url')}`;
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

const fail = (message) => {
  console.error(message);
  process.exit(1);
};

/** The words and the `--name value` pairs of a command line. */
const parse = (args) => {
  const words = [];
  const options = {};
  for (let i = 0; i < args.length; i += 1) {
    if (!args[i].startsWith('--')) words.push(args[i]);
    else {
      const name = args[i].slice(2);
      if (!['dir', 'tenant', 'vantage', 'grants'].includes(name)) fail(`unknown option --${name}`);
      if (args[i + 1] === undefined) fail(`--${name} needs a value`);
      options[name] = args[i + 1];
      i += 1;
    }
  }
  return { words, options };
};

const tokenEntry = (name, token, { tenant = null, vantage = 'agent', grants = ['ingest'] }) => ({
  name,
  sha256: sha256(token),
  tenant,
  vantage,
  grants,
});

/**
 * Files are readable by all, the folder by its owner alone: containers read a mounted file under user ids of their own,
 * and on the host nobody else gets as far as the files.
 */
const put = (dir, name, text) => writeFileSync(join(dir, name), text, { mode: 0o644, flag: 'wx' });

const usersXml = (
  passwords,
) => `<!-- Made by deploy/new-secrets.mjs: only hashes. Names, grants and limits stand in deploy/clickhouse/users.d. -->
<clickhouse>
  <users>
${Object.entries(passwords)
  .map(([user, password]) => `    <${user}><password_sha256_hex>${sha256(password)}</password_sha256_hex></${user}>`)
  .join('\n')}
  </users>
</clickhouse>
`;

const newFolder = (dir) => {
  if (existsSync(dir)) fail(`${dir} is there already and is left as it is; remove it first if it may go`);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const passwords = { tacho: newSecret(), tacho_migrate: newSecret(), grafana: newSecret() };
  const tokens = { collector: newSecret('tacho_'), operator: newSecret('tacho_') };
  put(dir, '.gitignore', '*\n');
  put(dir, 'clickhouse-password', passwords.tacho);
  put(dir, 'clickhouse-migrate-password', passwords.tacho_migrate);
  put(dir, 'clickhouse-grafana-password', passwords.grafana);
  put(dir, 'clickhouse-users.xml', usersXml(passwords));
  put(dir, 'grafana-admin-password', newSecret());
  const entries = [
    tokenEntry('collector', tokens.collector, {}),
    tokenEntry('operator', tokens.operator, { vantage: 'operator', grants: GRANTS }),
  ];
  put(dir, 'tokens.json', `${JSON.stringify(entries, null, 2)}\n`);
  console.log(`${dir} is made. Two tokens, shown this once (the folder keeps their hashes):

  collector   ${tokens.collector}   may send, as vantage agent, for any tenant
  operator    ${tokens.operator}   may do everything

A sender uses    Authorization: Bearer <token>    (OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20<token>").
Grafana's first password of user admin is in ${join(dir, 'grafana-admin-password')}.`);
};

const oneMore = (dir, name, options) => {
  const file = join(dir, 'tokens.json');
  if (!existsSync(file)) fail(`${file} is not there: run node deploy/new-secrets.mjs first`);
  const entries = JSON.parse(readFileSync(file, 'utf8'));
  if (entries.some((entry) => entry.name === name)) fail(`${file} has a token ${name} already`);
  const vantage = options.vantage ?? 'agent';
  const grants = (options.grants ?? 'ingest').split(',');
  const { tenant = null } = options;
  if (!VANTAGES.includes(vantage)) fail(`--vantage is one of ${VANTAGES.join(', ')}`);
  if (!grants.every((grant) => GRANTS.includes(grant))) fail(`--grants are of ${GRANTS.join(', ')}`);
  if (tenant !== null && !/^[A-Za-z0-9.@_-]{1,64}$/.test(tenant))
    fail('--tenant: letters, digits and .@_-, 64 at most');
  const token = newSecret('tacho_');
  entries.push(tokenEntry(name, token, { tenant, vantage, grants }));
  // Whole or not at all: a service that starts now must not read half a list.
  writeFileSync(`${file}.new`, `${JSON.stringify(entries, null, 2)}\n`, { mode: 0o644 });
  renameSync(`${file}.new`, file);
  console.log(token);
  console.error(`${file} keeps its hash; services read the file when they start: docker compose restart receiver api`);
};

const { words, options } = parse(process.argv.slice(2));
const dir = options.dir ?? 'deploy/secrets';
if (words.length === 0) newFolder(dir);
else if (words[0] === 'token' && words.length === 2) oneMore(dir, words[1], options);
else fail('usage: node deploy/new-secrets.mjs [token NAME] [--dir DIR] [--tenant T] [--vantage V] [--grants A,B]');
