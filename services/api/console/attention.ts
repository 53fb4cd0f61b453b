import { TransportError } from '../../runtime/errors.ts';
import { type AttentionRow, attentionQuery } from '../queries/attention.ts';
import { read } from '../reads.ts';
import type { View } from './view.ts';

/**
 * What wants somebody, for the navigation of every page. null when the store cannot say: a page is never lost for its
 * counts. A store that is not ready is left to the page itself, which says so.
 */
export const readAttention = async (view: View): Promise<AttentionRow | null> => {
  try {
    const query = attentionQuery({ tenant: view.tenant, nowMs: view.nowMs });
    return (await read<AttentionRow>(view.context, query))[0] ?? null;
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    if (!error.retryable) view.context.logger.warn({ err: error }, 'counts of the navigation cannot be read');
    return null;
  }
};
