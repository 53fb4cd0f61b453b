import { type Fragment, type Html, html } from './html.ts';
import type { View } from './view.ts';

/** A button of a form that asks the API; `requires` names the field that must be filled for it. */
export interface ActButton {
  readonly action: string;
  readonly label: string;
  readonly requires?: 'comment' | 'reason';
  readonly isMain?: boolean;
  /** A choice of lengths that goes with this button. */
  readonly minutes?: readonly (readonly [number, string])[];
}

export interface ActForm {
  /** Path below /api/v1 of the thing acted on, without the action. */
  readonly path: string;
  readonly tenant: string;
  readonly buttons: readonly ActButton[];
  readonly comment: 'comment' | 'reason';
  readonly hint: Fragment;
}

/**
 * What can be done here, as a form that the script sends to the API; without scripts it is hidden, and the API is
 * named. Nothing is offered that the caller may not do.
 */
export const actForm = (view: View, form: ActForm): Html => {
  if (!view.caller.grants.has('operate')) {
    return html`<section class="act"><p class="quiet">Acting here needs the grant <code>operate</code>.</p></section>`;
  }
  return html`<section class="act" aria-label="Act"><form hidden data-act="/api/v1${form.path}" data-tenant="${form.tenant}" data-text="${form.comment}">
<div class="fields">${who(view)}<label class="grow">${form.comment === 'reason' ? 'Comment or reason' : 'Comment'} <textarea name="comment" rows="1" maxlength="4000"></textarea></label></div>
<div class="buttons">${form.buttons.map(buttonOf)}</div></form>
<p class="said" role="status" aria-live="polite" tabindex="-1" data-said></p>
<p class="quiet small">${form.hint}</p>
<noscript><p class="quiet">Without scripts: <code>POST /api/v1${form.path}/${form.buttons[0]?.action}</code></p></noscript></section>`;
};

const who = (view: View): Html =>
  view.isTokenless
    ? html`<label>Your name <input name="actor" maxlength="64" autocomplete="username" placeholder="local" data-remember></label>`
    : html`<p class="as">as <strong>${view.caller.actor}</strong></p>`;

const buttonOf = (button: ActButton): Html => {
  const own = html`<button name="action" value="${button.action}"${button.isMain === true && html` class="main"`}${button.requires !== undefined && html` data-requires="${button.requires}"`}>${button.label}</button>`;
  if (button.minutes === undefined) return own;
  return html`<span class="joined">${own}<select name="minutes-${button.action}" aria-label="${button.label}: how long">${button.minutes.map(([minutes, words]) => html`<option value="${minutes}">${words}</option>`)}</select></span>`;
};
