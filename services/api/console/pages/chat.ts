import type { ContentRow } from '../../queries/content.ts';
import { plural } from '../format.ts';
import { type Html, html } from '../html.ts';

/** Longer parts start folded, so that one page of logs does not bury the answer. */
const OPEN_CHARS_MAX = 1500;

/** JSON indented; any other text as it came. */
export const pretty = (text: string): string => {
  const start = text.trimStart()[0];
  if (start !== '{' && start !== '[') return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // Looks like JSON, is not (cut, or prose): shown as it came.
  }
};

/** Parts of a conversation as bubbles by role. Whatever they say is text: escaped, never markup. */
export const chat = (parts: readonly ContentRow[]): Html =>
  html`<ol class="chat">${parts.map((part) => bubble(part))}</ol>`;

const bubble = (part: ContentRow): Html => {
  const text = pretty(part.content);
  const isCut = part.is_cut || part.content.length < part.content_bytes / 4;
  const head = html`<span class="role">${part.role === '' ? part.direction : part.role}</span> <span class="quiet">${[part.direction, part.part_kind === 'text' ? '' : part.part_kind].filter((word) => word !== '' && word !== part.role).join(', ')}</span>${part.pii_classes.length > 0 && html` <span class="chip small">redacted: ${part.pii_classes.join(', ')}</span>`}`;
  const body = html`<pre>${text}</pre>${isCut && html`<p class="quiet small">${plural(part.content_bytes, 'byte')} in all; this is the beginning</p>`}`;
  return html`<li class="bubble r-${part.role === '' ? part.direction : part.role}">${
    text.length > OPEN_CHARS_MAX
      ? html`<details><summary>${head} <span class="quiet">${plural(part.content_bytes, 'byte')}: ${text.slice(0, 120)}…</span></summary>${body}</details>`
      : html`${head}${body}`
  }</li>`;
};
