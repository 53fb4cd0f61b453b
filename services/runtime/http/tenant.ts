import { DEFAULT_TENANT, isTenant } from '../../../schemas/tenant.ts';
import type { Caller } from '../access.ts';

export type TenantDecision =
  | { readonly kind: 'tenant'; readonly tenant: string }
  | { readonly kind: 'denied'; readonly status: 400 | 403; readonly detail: string };

/** The tenant a caller writes to: the header's, else the token's, else the default. A token's own tenant binds. */
export const tenantOf = (header: string | string[] | undefined, caller: Caller): TenantDecision => {
  const asked = (typeof header === 'string' ? header : (header ?? []).join(', ')).trim();
  if (header !== undefined && !isTenant(asked)) {
    return { kind: 'denied', status: 400, detail: 'x-tacho-tenant takes letters, digits and .@_-, 64 at most' };
  }
  if (caller.tenant !== null && asked !== '' && asked !== caller.tenant) {
    return { kind: 'denied', status: 403, detail: `the token is bound to another tenant than ${asked}` };
  }
  return { kind: 'tenant', tenant: asked === '' ? (caller.tenant ?? DEFAULT_TENANT) : asked };
};
