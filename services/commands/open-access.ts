import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { VANTAGES } from '../../schemas/step-kinds.ts';
import { isTenant } from '../../schemas/tenant.ts';
import { type Access, GRANTS } from '../runtime/access.ts';
import { assertBindAllowed, createAccess, type TokenEntry } from '../runtime/access-tokens.ts';
import type { Config } from '../runtime/config-schema.ts';
import { ConfigError, type ConfigProblem } from '../runtime/errors.ts';

const TOKENS = z.array(
  z.strictObject({
    name: z.string().min(1),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    tenant: z.string().refine(isTenant).nullable(),
    vantage: z.enum(VANTAGES),
    grants: z.array(z.enum(GRANTS)),
  }),
);

/** Reads the tokens and refuses, before anything listens, an address other than loopback without them. */
export const openAccess = (config: Config): Access => {
  const problems: ConfigProblem[] = [];
  const tokens = readTokens(config.access.tokens_file, problems);
  for (const [key, host] of [
    ['receiver.host', config.receiver.host],
    ['api.host', config.api.host],
    ['health.host', config.health.port === 0 ? 'localhost' : config.health.host],
  ] as const) {
    const problem = assertBindAllowed(key, host, tokens);
    if (problem !== null) problems.push(problem);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return createAccess({ tokens, requireTokens: false, allowedHosts: config.access.allowed_hosts });
};

const readTokens = (file: string, problems: ConfigProblem[]): readonly TokenEntry[] => {
  if (file === '') return [];
  try {
    return TOKENS.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    const detail = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause);
    problems.push({
      key: 'access.tokens_file',
      value: `${file}: ${detail}`,
      allowed: 'a JSON list of {name, sha256, tenant, vantage, grants}',
    });
    return [];
  }
};
