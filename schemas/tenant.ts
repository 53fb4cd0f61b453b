/** Header that names the tenant, over HTTP, gRPC metadata and Kafka alike. */
export const TENANT_HEADER = 'x-tacho-tenant';
/** Header our receiver sets on Kafka records; ignored on records of foreign producers unless their source allows it. */
export const VANTAGE_HEADER = 'x-tacho-vantage';
export const DEFAULT_TENANT = 'default';

/** Letters, digits and `.@_-`, at most 64: safe in keys (`tenant|run_key`), paths and labels. */
export const isTenant = (text: string): boolean => /^[A-Za-z0-9.@_-]{1,64}$/.test(text);
