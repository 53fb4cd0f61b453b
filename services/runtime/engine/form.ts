import { EngineError } from './engine-error.ts';
import { checkedName, type EngineRequest } from './http-request.ts';

/**
 * Takes `query` and `param_*` from a multipart/form-data body, as ClickHouse does: parameters too long for a URL come this
 * way. Any other request is given back as it is. Throws EngineError for a broken form and for external tables.
 */
export const readForm = async <T extends EngineRequest>(
  contentType: string | undefined,
  asked: T,
  body: readonly Buffer[],
): Promise<{ readonly asked: T; readonly body: readonly Buffer[] }> => {
  if (contentType === undefined || !/^multipart\/form-data\b/i.test(contentType)) return { asked, body };
  const params = new Map(asked.params);
  let { sql } = asked;
  for (const [name, value] of await parse(contentType, body)) {
    if (typeof value !== 'string') throw new EngineError(48, 'NOT_IMPLEMENTED', 'External tables are not served here');
    if (name === 'query') sql = value;
    else if (name.startsWith('param_')) params.set(checkedName(name), value);
    else
      throw new EngineError(48, 'NOT_IMPLEMENTED', `Unknown part '${name.slice(0, 60)}': query and param_* are read`);
  }
  return { asked: { ...asked, sql: sql ?? '', params }, body: [] };
};

const parse = async (contentType: string, body: readonly Buffer[]): Promise<Iterable<[string, unknown]>> => {
  try {
    return (await new Response(new Blob([...body]), { headers: { 'content-type': contentType } }).formData()).entries();
  } catch (cause) {
    throw new EngineError(33, 'CANNOT_READ_ALL_DATA', 'The form ended early or is none', { cause });
  }
};
