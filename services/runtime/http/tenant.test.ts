import { describe, expect, test } from 'vitest';
import type { Caller } from '../access.ts';
import { tenantOf } from './tenant.ts';

describe('the tenant', () => {
  const caller = (tenant: string | null): Caller => ({ actor: 'a', tenant, vantage: 'agent', grants: new Set() });

  test('is the header, else the token, else the default', () => {
    expect(tenantOf('acme', caller(null))).toEqual({ kind: 'tenant', tenant: 'acme' });
    expect(tenantOf(undefined, caller('acme'))).toEqual({ kind: 'tenant', tenant: 'acme' });
    expect(tenantOf(undefined, caller(null))).toEqual({ kind: 'tenant', tenant: 'default' });
  });

  test('of a token binds, and a name with other letters is none', () => {
    expect(tenantOf('other', caller('acme'))).toMatchObject({ kind: 'denied', status: 403 });
    expect(tenantOf(['a', 'b'], caller(null))).toMatchObject({ kind: 'denied', status: 400 });
    expect(tenantOf('', caller(null))).toMatchObject({ kind: 'denied', status: 400 });
    expect(tenantOf('a|b', caller('acme'))).toMatchObject({ kind: 'denied', status: 400 });
  });
});
