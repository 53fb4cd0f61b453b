import { readPriceBook, readPriceUse, readUnpriced, type UnpricedModel } from '../../price-reads.ts';
import type { CapacityRow, ModelUseRow, PriceBookRow, PriceRow } from '../../queries/prices.ts';
import { pricesQuery } from '../../queries/prices.ts';
import { read } from '../../reads.ts';
import { compact, moneyCell, percent, plural } from '../format.ts';
import { type Html, html } from '../html.ts';
import { page } from '../layout.ts';
import { kept, linkTo, RANGES, runLink, type View } from '../view.ts';
import { readTenants } from './tenants.ts';

/** Own prices shown; the public list is asked for by name, in the API and with `tacho price list`. */
const OWN_MAX = 200;

const REASONS: Readonly<Record<string, string>> = {
  no_price: 'no price known for it, or none for a part of what it used',
  no_model: 'no model told',
  ambiguous_model: 'several providers sell it at different prices, and none was told',
};

/** What has no price first, then what models in use cost on one axis, then the book. */
export const pricesPage = async (view: View): Promise<string> => {
  const { range, tenant, context } = view;
  const scope = { tenant, range };
  const [unpriced, use, book, own, tenants] = await Promise.all([
    readUnpriced(context.store, scope),
    readPriceUse(context.store, scope, view.nowMs),
    readPriceBook(context.store),
    read<PriceRow>(context, pricesQuery({ tenant, source: 'own', limit: OWN_MAX })),
    readTenants(view),
  ]);
  const { calls, priced_calls } = unpriced.coverage;
  const listed = unpriced.models.reduce((sum, model) => sum + model.calls, 0);
  const silent = unpriced.is_cut ? 0 : calls - priced_calls - listed;
  const hero = calls === 0 ? 'No calls' : `${percent(priced_calls, calls)} of calls have a price`;
  return page(view, {
    title: 'Prices',
    tenants,
    hasRange: true,
    body: html`<section class="answer"><div class="lead"><h1>Prices</h1><p class="hero small">${hero}</p>
<p class="note">${plural(calls, 'call')} in the ${RANGES[range.name].words}; ${moneyCell(unpriced.coverage.cost_usd)} is the cost of the ${compact(priced_calls)} that have one.${silent > 0 && html` ${plural(silent, 'other')} told no tokens: <a href="${linkTo('/telemetry', kept(view))}">who, and how to mend it</a>.`}</p></div></section>
${unpricedSection(view, unpriced.models, unpriced.is_cut)}${useSection(use.models)}${use.capacity.length > 0 && capacitySection(use.capacity)}${bookSection(book, own)}`,
  });
};

const quiet = html`<span class="quiet">–</span>`;

const unpricedSection = (view: View, models: readonly UnpricedModel[], isCut: boolean): Html => {
  if (models.length === 0)
    return html`<section class="wide"><header><h2>Without a price</h2></header><p class="quiet pad">Every model that told its tokens has one.</p></section>`;
  return html`<section class="wide"><header><h2>Without a price</h2><span class="note">their cost is in no total${isCut && '; the list is cut'}</span></header><div class="scroll"><table>
<thead><tr><th scope="col">Model</th><th scope="col">Provider</th><th scope="col" class="n">Calls</th><th scope="col" class="n">Tokens in</th><th scope="col" class="n">Tokens out</th><th scope="col">Why</th><th scope="col">Nearest known names</th><th scope="col">Look at</th></tr></thead>
<tbody>${models.map(
    (
      model,
    ) => html`<tr><td class="name mono" data-label="Model">${model.model ?? quiet}</td><td data-label="Provider">${model.provider ?? html`<span class="quiet">not told</span>`}</td>
<td class="n" data-label="Calls">${compact(model.calls)}</td><td class="n" data-label="Tokens in">${compact(model.input_tokens)}</td><td class="n" data-label="Tokens out">${compact(model.output_tokens)}</td>
<td data-label="Why">${REASONS[model.reason] ?? model.reason}</td><td data-label="Nearest known names">${model.nearest.length === 0 ? quiet : model.nearest.map((one) => html`<span class="chip mono">${one.provider === null ? '' : `${one.provider}/`}${one.model}</span> `)}</td>
<td data-label="Look at"><a href="${runLink(view, { tenant_id: model.example_tenant_id, run_id: model.example_run_id })}">a run</a></td></tr>`,
  )}</tbody></table></div><p class="note pad">Give them a price in <code>config/prices</code>, then <code>tacho price reprice</code> for the calls already booked.</p></section>`;
};

const useSection = (models: readonly ModelUseRow[]): Html => {
  if (models.length === 0)
    return html`<section class="wide"><header><h2>In use</h2></header><p class="quiet pad">No calls in this range. <a href="${linkTo('/connect', {})}">How to send some</a>.</p></section>`;
  return html`<section class="wide"><header><h2>In use</h2><span class="note">cloud and your own on one axis; figures of the priced calls</span></header><div class="scroll"><table>
<thead><tr><th scope="col">Model</th><th scope="col">Provider</th><th scope="col" class="n">Calls</th><th scope="col" class="n">Priced</th><th scope="col" class="n">Cost</th><th scope="col" class="n">A run</th><th scope="col" class="n">1 k tokens out</th></tr></thead>
<tbody>${models.map(
    (
      model,
    ) => html`<tr><td class="name mono" data-label="Model">${model.model ?? quiet}${model.is_local && html` <span class="chip">your own</span>`}</td><td data-label="Provider">${model.provider ?? quiet}</td>
<td class="n" data-label="Calls">${compact(model.calls)}</td><td class="n" data-label="Priced">${percent(model.priced_calls, model.calls)}</td><td class="n" data-label="Cost">${moneyCell(model.cost_usd)}</td><td class="n" data-label="A run">${moneyCell(model.usd_per_run)}</td><td class="n" data-label="1 k tokens out">${moneyCell(model.usd_per_1k_output)}</td></tr>`,
  )}</tbody></table></div></section>`;
};

const capacitySection = (lines: readonly CapacityRow[]): Html =>
  html`<section class="wide"><header><h2>Capacity by the hour</h2><span class="note">beside the cost of calls, never in it</span></header><div class="scroll"><table>
<thead><tr><th scope="col">Capacity</th><th scope="col">Provider</th><th scope="col">Model</th><th scope="col" class="n">Units</th><th scope="col" class="n">Hours</th><th scope="col" class="n">A unit and hour</th><th scope="col" class="n">Cost</th></tr></thead>
<tbody>${lines.map(
    (
      line,
    ) => html`<tr><td class="name mono" data-label="Capacity">${line.price_id}</td><td data-label="Provider">${line.provider ?? quiet}</td><td data-label="Model">${line.model === '*' ? 'any' : line.model}</td>
<td class="n" data-label="Units">${line.units}</td><td class="n" data-label="Hours">${line.hours}</td><td class="n" data-label="A unit and hour">${moneyCell(line.usd_per_unit_hour)}</td><td class="n" data-label="Cost">${moneyCell(line.cost_usd)}</td></tr>`,
  )}</tbody></table></div></section>`;

const bookSection = (book: PriceBookRow | null, own: readonly PriceRow[]): Html => {
  if (book === null)
    return html`<section class="wide"><header><h2>Price book</h2></header><p class="quiet pad">None yet: the ledger writes its book down when it starts.</p></section>`;
  return html`<section class="wide"><header><h2>Price book</h2><span class="note">${compact(book.prices)} prices: ${own.length} of your own, then <span class="mono">${book.catalogue}</span>; book <span class="mono">${book.price_book.slice(0, 8)}</span>, of ${plural(book.files.length, 'file')}</span></header>
${own.length > 0 && ownTable(own)}</section>`;
};

const ownTable = (own: readonly PriceRow[]): Html =>
  html`<details><summary>Your own prices</summary><div class="scroll"><table><thead><tr><th scope="col">Price</th><th scope="col">Models</th><th scope="col">For</th><th scope="col">From</th><th scope="col">To</th><th scope="col">USD</th></tr></thead>
<tbody>${own.map(
    (
      price,
    ) => html`<tr><td class="name mono" data-label="Price">${price.price_id}</td><td class="mono" data-label="Models">${price.models.join(', ')}</td><td data-label="For">${scopeOf(price) || quiet}</td>
<td data-label="From">${price.effective_from?.slice(0, 10) ?? quiet}</td><td data-label="To">${price.effective_to?.slice(0, 10) ?? quiet}</td><td data-label="USD">${ratesOf(price)}</td></tr>`,
  )}</tbody></table></div></details>`;

const scopeOf = (price: PriceRow): string =>
  [
    price.provider,
    price.service_tier,
    price.tenant_id,
    price.account,
    price.region,
    price.quantisation,
    price.digest?.slice(0, 12),
  ]
    .filter((part) => typeof part === 'string' && part !== '')
    .join(' · ');

const ratesOf = (price: PriceRow): string => {
  const off = price.percent_off === null ? [] : [`${trimmed(price.percent_off)} % off`];
  return [...off, ...Object.entries(price.rates).map(([key, usd]) => `${key} ${trimmed(usd)}`)].join(', ');
};

const trimmed = (decimal: string): string => decimal.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');
