import { table } from '../parts/panels.ts';
import { tenantScope } from '../parts/scope.ts';

const BEGIN = 'greatest(ifNull(toUnixTimestamp64Milli(p.effective_from), 0), toUnixTimestamp64Milli($__fromTime_ms))';
const END =
  'least(ifNull(toUnixTimestamp64Milli(p.effective_to), toUnixTimestamp64Milli($__toTime_ms)), toUnixTimestamp64Milli($__toTime_ms), toUnixTimestamp64Milli(now64(3)))';
/** Hours of the clock that began while it was had, as `GET /api/v1/costs` counts them. */
const HOURS = `greatest(0, intDiv(${END} + 3599999, 3600000) - intDiv(${BEGIN} + 3599999, 3600000))`;
const UNITS = "JSONExtractFloat(assumeNotNull(p.local_model), 'units')";
const RATE = "toFloat64(p.rates['each_unit_hours'])";

/** What was bought by the hour, used or not: no call carries any of it, so it is in no other figure of this page. */
export const capacity = table({
  id: 21,
  title: 'Capacity by the hour',
  description:
    'Units bought by the hour, by the price book in force, whether they were used or not. In no figure above: no call carries any of it.',
  unit: 'short',
  width: 24,
  columns: { spend: { unit: 'currencyUSD' }, 'a unit and hour': { unit: 'currencyUSD' } },
  query: {
    from: 'prices',
    columns: {
      capacity: 'p.price_id',
      provider: "ifNull(toString(p.provider), '(any)')",
      model: 'p.models[1]',
      tenant: "ifNull(toString(p.tenant_id), '(every tenant)')",
      units: UNITS,
      hours: HOURS,
      'a unit and hour': RATE,
      spend: `${RATE} * ${UNITS} * ${HOURS}`,
    },
    where: [
      "p.source = 'capacity'",
      'p.price_book = (SELECT argMax(price_book, loaded_at) FROM price_books)',
      `(p.tenant_id IS NULL OR ${tenantScope('p').join(' AND ')})`,
      `${HOURS} > 0`,
    ],
    orderBy: 'spend DESC',
    limit: 50,
  },
});
