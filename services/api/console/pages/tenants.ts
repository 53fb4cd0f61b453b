import { tenantsQuery } from '../../queries/overview.ts';
import { read } from '../../reads.ts';
import type { View } from '../view.ts';

/** Tenants for the switch; a caller bound to one tenant sees no other names. */
export const readTenants = async (view: View): Promise<readonly string[]> => {
  if (view.caller.tenant !== null) return [view.caller.tenant];
  const rows = await read<{ readonly tenant_id: string }>(view.context, tenantsQuery());
  return rows.map((row) => row.tenant_id);
};
