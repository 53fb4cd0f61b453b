import { BlockList, isIP } from 'node:net';

/**
 * Whether a host is one of the listed or below one: labels are compared from the right, so `api.github.com` is under
 * `github.com` and `github.com.evil.example` is not. A port, a trailing dot and case do not matter; addresses match whole.
 */
export const hostIn = (host: string, list: readonly string[]): boolean => {
  const wanted = normalHost(host);
  if (wanted === '') return false;
  return list.some((entry) => {
    const listed = normalHost(entry.replace(/^\*\./, ''));
    if (listed === '') return false;
    return wanted === listed || (isIP(wanted) === 0 && wanted.endsWith(`.${listed}`));
  });
};

const normalHost = (host: string): string => {
  const bare = host.trim().toLowerCase();
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(bare)?.[1];
  if (bracketed !== undefined) return bracketed;
  const withoutPort = isIP(bare) === 0 ? bare.replace(/:\d+$/, '') : bare;
  return withoutPort.replace(/\.$/, '');
};

const CIDR = /^([0-9A-Fa-f.:]+)\/(\d{1,3})$/;

/** Why a text is no address range; null when it is one. */
export const cidrProblem = (range: string): string | null =>
  parse(range) === null ? `${range} is no address range` : null;

const blocks = new Map<string, BlockList>();
/** Ranges come from rules and lists, which are few. */
const BLOCKS_MAX = 10_000;

const parse = (range: string): BlockList | null => {
  const known = blocks.get(range);
  if (known !== undefined) return known;
  const match = CIDR.exec(range);
  const family = isIP(match?.[1] ?? '');
  const bits = Number(match?.[2]);
  if (match?.[1] === undefined || family === 0 || bits > (family === 4 ? 32 : 128)) return null;
  const made = new BlockList();
  made.addSubnet(match[1], bits, family === 4 ? 'ipv4' : 'ipv6');
  if (blocks.size >= BLOCKS_MAX) blocks.clear();
  blocks.set(range, made);
  return made;
};

/** Whether an address lies in one of the ranges. A host name is no address; a broken range holds nothing. */
export const cidrIn = (address: string, ranges: readonly string[]): boolean => {
  const bare = normalHost(address);
  const family = isIP(bare);
  if (family === 0) return false;
  return ranges.some((range) => parse(range)?.check(bare, family === 4 ? 'ipv4' : 'ipv6') ?? false);
};
