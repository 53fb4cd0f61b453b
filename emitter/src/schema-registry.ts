import { actionEventSchema } from '../../schemas/action-event-codec.ts';
import { reasonOf, say } from './say.ts';
import type { SchemaRegistry } from './settings.ts';
import { jittered, pause, postJson } from './world.ts';

const ANSWER_MS = 10_000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json';
/** An id has four bytes in the frame. */
const ID_MAX = 0xffff_ffff;

/**
 * The id of action-event.avsc in a registry, asked for through outages until the signal fires; null then. Never throws.
 * Source: Confluent Schema Registry API, "Register a new schema under the specified subject" and "Check if a schema has
 * already been registered under the specified subject" (both are idempotent and answer the id).
 */
export const registeredSchemaId = async (
  registry: SchemaRegistry,
  topic: string,
  signal: AbortSignal,
): Promise<number | null> => {
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      const id = await ask(registry, topic);
      if (failures > 0) say('info', `${registry.url} gave the schema's id: action events go out`);
      return id;
    } catch (error) {
      if (failures === 0) say('warn', `no schema id from ${registry.url}, action events wait: ${reasonOf(error)}`);
    }
    await pause(jittered(Math.min(BACKOFF_FIRST_MS * 2 ** Math.min(failures, 8), BACKOFF_MAX_MS)), signal);
  }
  return null;
};

const ask = async (registry: SchemaRegistry, topic: string): Promise<number> => {
  const subject = encodeURIComponent(registry.subject ?? `${topic}-value`);
  const path = `/subjects/${subject}${registry.mode === 'lookup' ? '' : '/versions'}`;
  const url = `${registry.url.replace(/\/+$/, '')}${path}`;
  const headers = { accept: CONTENT_TYPE, 'content-type': CONTENT_TYPE, ...credentials(registry) };
  const { status, json } = await postJson(url, headers, { schema: actionEventSchema() }, ANSWER_MS);
  const { id, message }: { readonly id?: unknown; readonly message?: unknown } =
    typeof json === 'object' && json !== null ? json : {};
  if (status !== 200) throw new Error(`it answers ${status}${typeof message === 'string' ? `: ${message}` : ''}`);
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > ID_MAX) throw new Error('it answers no id');
  return id;
};

const credentials = ({ username, password, token }: SchemaRegistry): Readonly<Record<string, string>> => {
  if (token !== undefined) return { authorization: `Bearer ${token}` };
  if (username === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}` };
};
