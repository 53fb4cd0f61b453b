import { BLANK_STEP } from '../../schemas/agent-step.ts';
import { recordToLedger } from '../../services/ledger/findings.ts';
import { recognisedAnew } from '../../services/ledger/recognition.ts';
import { parseState, splitKey } from '../../services/ledger/state.ts';
import type { OutgoingRecord } from '../../services/runtime/ports.ts';
import { type Site, sql } from './tacho.ts';

/**
 * Every call of a tenant's runs as a convention of long ago could have read it, as what the ledger is told: with one token of
 * input, and nothing of the cache.
 */
export const misreadCalls = async (site: Site, tenant: string): Promise<readonly OutgoingRecord[]> => {
  const states = await sql<{ state: string }>(
    site,
    `SELECT state FROM run_state WHERE service = 'ledger' AND run_key LIKE '${tenant}|%' AND run_key NOT LIKE '%#%'
     ORDER BY as_of DESC LIMIT 1 BY run_key`,
  );
  return states.flatMap(({ state }) => {
    const { key, steps } = parseState(state);
    const [tenant_id, run_id] = splitKey(key);
    return [...steps.values()].flatMap(({ evidence }) => {
      if (evidence.call === null) return [];
      const call = { ...evidence.call, input_tokens: 1, cache_read_tokens: null };
      const step = { ...BLANK_STEP, ...evidence, tenant_id, run_id, call, logged_at_ms: 1 };
      return [recordToLedger(recognisedAnew(step, 1))];
    });
  });
};
