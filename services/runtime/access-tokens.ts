import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { Vantage } from '../../schemas/step-kinds.ts';
import { type Access, type AccessDecision, type AccessRequest, type Caller, GRANTS, type Grant } from './access.ts';
import type { ConfigProblem } from './errors.ts';

/** A token as the tokens file holds it: never the token itself. */
export interface TokenEntry {
  readonly name: string;
  /** Hex of `hashToken(token)`. */
  readonly sha256: string;
  /** null: every tenant. */
  readonly tenant: string | null;
  readonly vantage: Vantage;
  readonly grants: readonly Grant[];
}

export interface AccessSettings {
  readonly tokens: readonly TokenEntry[];
  /** True asks for a token from loopback callers too. Callers from elsewhere always need one. */
  readonly requireTokens: boolean;
  /** Host names, without port, that clients may address us by, besides localhost and loopback addresses. */
  readonly allowedHosts: readonly string[];
}

/** What the tokens file keeps of a token: SHA-256, hex. Tokens are random, so no slow hash is needed. */
export const hashToken = (token: string): string => createHash('sha256').update(token).digest('hex');

/** localhost, 127.0.0.0/8, ::1 and their IPv4-mapped form. */
export const isLoopbackHost = (host: string): boolean => {
  const name = host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/^::ffff:/, '');
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
};

/** A bind address other than loopback needs tokens: the problem to print, or null. */
export const assertBindAllowed = (key: string, host: string, tokens: readonly TokenEntry[]): ConfigProblem | null =>
  isLoopbackHost(host) || tokens.length > 0
    ? null
    : { key, value: host, allowed: 'a loopback address, or any address once access.tokens_file holds tokens' };

const LOOPBACK_CALLER: Caller = {
  actor: 'loopback',
  tenant: null,
  vantage: 'agent',
  grants: new Set(GRANTS),
};

/** Access by bearer token, or by standing on this machine (design 4). Pure but for its settings. */
export const createAccess = (settings: AccessSettings): Access => {
  const callers = settings.tokens.map((token) => ({
    digest: Buffer.from(token.sha256, 'hex'),
    caller: { actor: token.name, tenant: token.tenant, vantage: token.vantage, grants: new Set(token.grants) },
  }));
  const allowedHosts = new Set(settings.allowedHosts.map((host) => host.toLowerCase()));

  /** Compares with every entry, so that the time says nothing of which one was nearly right. */
  const lookUp = (token: string): Caller | null => {
    const digest = Buffer.from(hashToken(token), 'hex');
    let found: Caller | null = null;
    for (const entry of callers) {
      if (entry.digest.length === digest.length && timingSafeEqual(entry.digest, digest)) found = entry.caller;
    }
    return found;
  };

  return {
    decide: (request) => {
      const hostProblem = hostProblemOf(request, allowedHosts);
      if (hostProblem !== null) return denied(403, hostProblem);
      const authorization = textOf(request.headers['authorization']);
      if (authorization === '') {
        const isTokenless = !settings.requireTokens && isLoopbackHost(request.remoteAddress) && !isForwarded(request);
        return isTokenless ? { kind: 'caller', caller: LOOPBACK_CALLER } : denied(401, 'a bearer token is needed');
      }
      const token = /^bearer +(\S+)$/i.exec(authorization)?.[1];
      const caller = token === undefined ? null : lookUp(token);
      // A wrong token is refused on loopback too: its sender believes to be somebody.
      if (caller === null) return denied(401, 'the bearer token is not known');
      if (!caller.grants.has(request.needs)) return denied(403, `the token does not grant ${request.needs}`);
      return { kind: 'caller', caller };
    },
  };
};

/** A proxy on this machine speaks for somebody else: its address proves nothing. */
const isForwarded = ({ headers }: AccessRequest): boolean =>
  headers['x-forwarded-for'] !== undefined || headers['forwarded'] !== undefined;

const denied = (status: 401 | 403, detail: string): AccessDecision => ({ kind: 'denied', status, detail });

const textOf = (header: string | string[] | undefined): string =>
  typeof header === 'string' ? header.trim() : (header?.join(', ') ?? '');

/** Against DNS rebinding (a foreign name that resolves to us) and requests that a foreign web page makes. */
const hostProblemOf = ({ headers }: AccessRequest, allowedHosts: ReadonlySet<string>): string | null => {
  const host = textOf(headers['host'] ?? headers[':authority']).toLowerCase();
  const isKnown = (name: string): boolean => isLoopbackHost(name) || allowedHosts.has(name);
  if (!isKnown(nameOf(host))) return 'the Host header names a host that access.allowed_hosts does not list';
  const origin = textOf(headers['origin']).toLowerCase();
  if (origin === '') return null;
  const originHost = /^https?:\/\/([^/]+)$/.exec(origin)?.[1];
  if (originHost === undefined) return 'the Origin header is not a web origin';
  // Another port on this machine is another site: only our own address or a listed name passes.
  return originHost === host || allowedHosts.has(nameOf(originHost)) ? null : 'the Origin header names another site';
};

/** A host header without its port; IPv6 without brackets. */
const nameOf = (host: string): string => {
  const bracketed = /^\[([^\]]*)\](:\d+)?$/.exec(host)?.[1];
  return bracketed ?? host.replace(/:\d+$/, '');
};
