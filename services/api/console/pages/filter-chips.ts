import { type Html, html } from '../html.ts';
import { linkTo, type View } from '../view.ts';

/** A filter that is offered as a switch. */
export interface Toggle {
  readonly name: string;
  readonly value: string;
  readonly label: string;
}

/** Switches, then a chip for each filter that is set, to be taken away by a click; the address is the state. */
export const filterChips = (view: View, names: readonly string[], toggles: readonly Toggle[]): Html => {
  const { params } = view;
  const without = { ...params, cursor: undefined };
  const isToggled = (toggle: Toggle): boolean => params[toggle.name] === toggle.value;
  const set = names.filter(
    (name) => (params[name] ?? '') !== '' && !toggles.some((toggle) => toggle.name === name && isToggled(toggle)),
  );
  return html`<div class="filters">${toggles.map(
    (toggle) =>
      html`<a class="chip${isToggled(toggle) ? ' on' : ''}" href="${linkTo(view.path, { ...without, [toggle.name]: isToggled(toggle) ? undefined : toggle.value })}"${isToggled(toggle) && html` aria-current="true"`}>${toggle.label}</a>`,
  )}${set.map(
    (name) =>
      html`<a class="chip on" href="${linkTo(view.path, { ...without, [name]: undefined })}" title="Remove this filter"><span class="quiet">${name}</span> <span class="cutoff">${params[name]}</span> <span aria-hidden="true">✕</span><span class="hidden">remove</span></a>`,
  )}</div>`;
};
