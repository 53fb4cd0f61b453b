import { CONTENT_PARTS_MAX, type ContentRow } from '../../queries/content.ts';
import { readContent } from '../../reads.ts';
import { plural } from '../format.ts';
import { type Html, html } from '../html.ts';
import { chat } from './chat.ts';
import type { RunView } from './run-view.ts';

const CONVERSATION_CHARS_MAX = 8000;

/**
 * What was said in a run, each thing once: agents resend their whole history with every call, so a part whose role
 * and content hash were already shown is left out and counted.
 */
export const spokenOnce = (
  parts: readonly ContentRow[],
): { readonly parts: readonly ContentRow[]; readonly repeated: number } => {
  const seen = new Set<string>();
  const fresh = parts.filter((part) => {
    const key = `${part.role}|${part.part_kind}|${part.content_hash}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
  return { parts: fresh, repeated: parts.length - fresh.length };
};

/** The conversation tab. Needs the grant `content`; opening it is logged. */
export const conversationBody = async (run: RunView): Promise<Html> => {
  if (!run.view.caller.grants.has('content')) {
    return html`<p class="quiet pad">Prompts and answers need the grant <code>content</code>.</p>`;
  }
  const all = await readContent(run.view.context, run.view.caller, {
    tenant: run.tenant,
    runId: run.runId,
    stepIds: [],
    charsMax: CONVERSATION_CHARS_MAX,
  });
  if (all.length === 0) {
    return html`<section class="pad"><p>No content is stored for this run.</p><p class="quiet">Most SDKs leave prompts and answers out by default. With OpenTelemetry GenAI instrumentations set <code>OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true</code>; a tenant with <code>content: off</code> keeps none.</p></section>`;
  }
  const { parts, repeated } = spokenOnce(all);
  return html`<section class="conversation">${chat(parts)}<p class="quiet small">${repeated > 0 && `${plural(repeated, 'repetition')} of earlier messages left out. `}${all.length >= CONTENT_PARTS_MAX && `Only the first ${CONTENT_PARTS_MAX} parts are read. `}Reading this was logged.</p></section>`;
};
