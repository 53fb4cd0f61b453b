import { TransportError } from './errors.ts';

const TIMEOUT_MS = 30_000;

/** GETs JSON. Throws TransportError HTTP_UNAVAILABLE when nothing answers; a status other than 2xx is thrown as well. */
export const getJson = async (url: string, token: string | null = null): Promise<unknown> => {
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    text = await response.text();
  } catch (cause) {
    throw new TransportError('HTTP_UNAVAILABLE', `${url} does not answer`, { retryable: true, cause });
  }
  if (!response.ok)
    throw new TransportError('HTTP_UNAVAILABLE', `${url} answered ${response.status}: ${text.slice(0, 200)}`, {
      retryable: response.status >= 500 || response.status === 429,
    });
  return JSON.parse(text);
};

/** POSTs a JSON body and gives status and text. Throws TransportError HTTP_UNAVAILABLE when nothing answers. */
export const postJson = async (url: string, body: unknown, token: string | null = null) => {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
  };
  try {
    const response = await fetch(url, {
      method: 'POST',
      body: JSON.stringify(body),
      headers,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { status: response.status, text: await response.text() };
  } catch (cause) {
    throw new TransportError('HTTP_UNAVAILABLE', `${url} does not answer`, { retryable: true, cause });
  }
};
