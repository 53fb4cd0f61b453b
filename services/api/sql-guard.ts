/**
 * A first look at SQL from outside, before a read-only user runs it. The user and its settings are the wall; this
 * only turns what the wall would refuse, or could be talked into, away with a sentence a person understands.
 */

const STARTS = ['select', 'with', 'show', 'describe', 'desc', 'explain', 'exists', '('] as const;

/** Table functions that reach out of the database: files, other servers, programs. */
const REACHING = new Set(
  'file fileCluster url urlCluster s3 s3Cluster gcs cosn oss hdfs hdfsCluster azureBlobStorage azureBlobStorageCluster remote remoteSecure mysql postgresql mongodb redis sqlite jdbc odbc executable iceberg icebergS3 icebergLocal icebergAzure icebergHDFS icebergCluster icebergS3Cluster deltaLake deltaLakeLocal deltaLakeCluster hudi paimon paimonLocal ytsaurus arrowFlight input python cluster clusterAllReplicas kafka nats rabbitmq catboostEvaluate dictionary'
    .toLowerCase()
    .split(' '),
);

interface Token {
  readonly kind: 'word' | 'quoted' | 'text' | 'sign';
  readonly text: string;
}

const TOKEN =
  /\s+|--[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/|(?<word>[A-Za-z_][A-Za-z0-9_]*)|(?<text>'(?:\\[\s\S]|''|[^'\\])*')|(?<quoted>`(?:\\[\s\S]|``|[^`\\])*`|"(?:\\[\s\S]|""|[^"\\])*")|(?<sign>[\s\S])/gy;

/** Words, quoted names, literals and signs of a statement, without comments and space. */
const tokensOf = (sql: string): readonly Token[] => {
  const tokens: Token[] = [];
  for (const found of sql.matchAll(TOKEN)) {
    const groups = found.groups ?? {};
    for (const kind of ['word', 'quoted', 'text', 'sign'] as const) {
      const text = groups[kind];
      if (text !== undefined) tokens.push({ kind, text });
    }
  }
  return tokens;
};

const nameOf = (token: Token | undefined): string => {
  if (token?.kind === 'word') return token.text.toLowerCase();
  return token?.kind === 'quoted' ? token.text.slice(1, -1).toLowerCase() : '';
};

/** null: may go to the read-only user. Else one sentence that says why not. */
export const refusedSql = (sql: string): string | null => {
  const tokens = tokensOf(sql);
  const body = tokens.at(-1)?.text === ';' ? tokens.slice(0, -1) : tokens;
  const start = body[0]?.text.toLowerCase() ?? '';
  if (!STARTS.some((allowed) => allowed === start)) {
    return `only reading statements are taken: they begin with ${STARTS.slice(0, -1).join(', ')}`;
  }
  if (body.some((token) => token.kind === 'sign' && token.text === ';')) return 'one statement at a time';
  for (const [index, token] of body.entries()) {
    const refusal = refusedAt(token, body[index + 1], index >= body.length - 2);
    if (refusal !== null) return refusal;
  }
  return null;
};

const refusedAt = (token: Token, next: Token | undefined, isLast: boolean): string | null => {
  const name = nameOf(token);
  if (next?.text === '(' && REACHING.has(name)) return `the function ${name} reaches outside the database`;
  if (token.kind !== 'word' || next?.kind !== 'word') return null;
  if (name === 'into' && nameOf(next) === 'outfile') return 'INTO OUTFILE writes files';
  if (name === 'settings') return 'SETTINGS are fixed for SQL from outside';
  if (name === 'format' && isLast)
    return 'FORMAT is chosen by the member "format" of the request, not in the statement';
  return null;
};
