import { isTenant } from '../../schemas/tenant.ts';
import type { Caller } from '../runtime/access.ts';
import { problem } from './problem.ts';

/**
 * Which tenant a read is about: the one asked for, else the caller's, else null: all that the caller may see.
 * Throws 400 for a name that cannot be a tenant and 403 for one that is not the caller's.
 */
export const tenantScope = (caller: Caller, asked: string | undefined): string | null => {
  if (asked === undefined || asked === '') return caller.tenant;
  if (!isTenant(asked)) {
    throw problem(400, 'tenant: letters, digits and .@_- only, at most 64 characters', { parameter: 'tenant' });
  }
  if (caller.tenant !== null && caller.tenant !== asked) {
    throw problem(403, `this token belongs to tenant ${caller.tenant} and may not see another`);
  }
  return asked;
};

/** The one row of an id; 404 when there is none, 409 naming the tenants when several have it. */
export const onlyTenant = <T extends { readonly tenant_id: string }>(rows: readonly T[], what: string): T => {
  const [first, ...others] = rows;
  if (first === undefined) throw problem(404, `there is no ${what} among what you may see`);
  if (others.length === 0) return first;
  const tenants = rows.map((row) => row.tenant_id);
  throw problem(409, `${what} is found in ${tenants.length} tenants; choose one with ?tenant=`, { tenants });
};
